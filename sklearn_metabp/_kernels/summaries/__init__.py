"""Statistics of the tensors and layers of a step, compiled or their fallback."""

from sklearn_metabp._kernels.summaries.summaries_fallback import *

try:
    from sklearn_metabp._kernels.summaries._summaries import *
except ImportError:  # there was no compiler when the package was installed
    COMPILED = False
else:
    COMPILED = True
