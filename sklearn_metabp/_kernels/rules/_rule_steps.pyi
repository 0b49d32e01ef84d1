from sklearn_metabp._kernels.rules.rule_steps_fallback import *
