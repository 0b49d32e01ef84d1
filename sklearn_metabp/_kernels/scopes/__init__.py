"""Kernels of the learned update rules, one per scope, compiled or their fallbacks."""

from sklearn_metabp._kernels.scopes.layer_rule_fallback import *
from sklearn_metabp._kernels.scopes.layer_steps import *
from sklearn_metabp._kernels.scopes.link_history import *
from sklearn_metabp._kernels.scopes.link_rule_fallback import *
from sklearn_metabp._kernels.scopes.neuron_rule_fallback import *
from sklearn_metabp._kernels.scopes.pattern_rule_fallback import *

try:
    from sklearn_metabp._kernels.scopes._layer_rule import *
    from sklearn_metabp._kernels.scopes._link_rule import *
    from sklearn_metabp._kernels.scopes._neuron_rule import *
    from sklearn_metabp._kernels.scopes._pattern_rule import *
except ImportError:  # there was no compiler when the package was installed
    COMPILED = False
else:
    COMPILED = True
