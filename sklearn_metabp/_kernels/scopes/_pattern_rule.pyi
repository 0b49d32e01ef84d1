from sklearn_metabp._kernels.scopes.pattern_rule_fallback import *
