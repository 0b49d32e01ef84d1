from sklearn_metabp._kernels.rules.program_fallback import *
