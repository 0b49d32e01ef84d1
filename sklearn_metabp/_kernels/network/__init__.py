"""Forward and backward pass of a network: ``Backprop``, compiled or its fallback."""

import os

from sklearn_metabp._kernels.network.backprop_fallback import *

try:
    from sklearn_metabp._kernels.network._backprop import *
except ImportError:  # there was no compiler when the package was installed
    COMPILED = False
else:
    COMPILED = True

if name := os.environ.get("SKLEARN_METABP_INSTRUCTION_SET"):
    use_instruction_set(name)
