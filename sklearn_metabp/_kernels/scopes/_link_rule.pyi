from sklearn_metabp._kernels.scopes.link_rule_fallback import *
