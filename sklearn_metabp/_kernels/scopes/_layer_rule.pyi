from sklearn_metabp._kernels.scopes.layer_rule_fallback import *
