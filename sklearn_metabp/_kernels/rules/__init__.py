"""Elementwise steps of the update rules, compiled or their fallbacks."""

from sklearn_metabp._kernels.rules.program_fallback import *
from sklearn_metabp._kernels.rules.rule_steps_fallback import *

try:
    from sklearn_metabp._kernels.rules._program import *
    from sklearn_metabp._kernels.rules._rule_steps import *
except ImportError:  # there was no compiler when the package was installed
    COMPILED = False
else:
    COMPILED = True
