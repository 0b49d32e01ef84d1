from sklearn_metabp._kernels.recurrent.recurrent_fallback import *
