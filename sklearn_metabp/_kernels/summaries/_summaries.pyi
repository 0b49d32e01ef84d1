from sklearn_metabp._kernels.summaries.summaries_fallback import *
