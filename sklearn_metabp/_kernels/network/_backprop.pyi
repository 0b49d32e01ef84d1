from sklearn_metabp._kernels.network.backprop_fallback import *
