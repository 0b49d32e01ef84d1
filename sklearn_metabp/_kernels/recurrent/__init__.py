"""Forward and backward pass through time: ``RecurrentBackprop``, compiled or its fallback."""

from sklearn_metabp._kernels.recurrent.recurrent_fallback import *
from sklearn_metabp._kernels.recurrent.sequences import *

try:
    from sklearn_metabp._kernels.recurrent._recurrent import *
except ImportError:  # there was no compiler when the package was installed
    COMPILED = False
else:
    COMPILED = True
