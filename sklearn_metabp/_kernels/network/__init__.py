"""Forward and backward pass of a network: ``Backprop``, compiled or its fallback."""

import os as _os

from sklearn_metabp._kernels.network.backprop_fallback import *

try:
    from sklearn_metabp._kernels.network._backprop import *
except ImportError:  # there was no compiler when the package was installed
    COMPILED = False
else:
    COMPILED = True

if _name := _os.environ.get("SKLEARN_METABP_INSTRUCTION_SET"):
    use_instruction_set(_name)  # noqa: F405
