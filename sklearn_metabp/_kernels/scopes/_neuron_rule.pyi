from sklearn_metabp._kernels.scopes.neuron_rule_fallback import *
