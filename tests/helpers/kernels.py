"""The two implementations of the kernels: the installed one, compiled if possible, and NumPy."""

from types import SimpleNamespace

import pytest

from sklearn_metabp import _kernels
from sklearn_metabp._kernels import network, rules, scopes, summaries
from sklearn_metabp._kernels.network import backprop_fallback
from sklearn_metabp._kernels.rules import program_fallback, rule_steps_fallback
from sklearn_metabp._kernels.scopes import (
    layer_rule_fallback,
    link_rule_fallback,
    neuron_rule_fallback,
    pattern_rule_fallback,
)
from sklearn_metabp._kernels.summaries import summaries_fallback

FALLBACKS = (
    backprop_fallback,
    program_fallback,
    rule_steps_fallback,
    layer_rule_fallback,
    link_rule_fallback,
    neuron_rule_fallback,
    pattern_rule_fallback,
    summaries_fallback,
)
RULE_STEPS = frozenset(rule_steps_fallback.__all__)


def public_names(modules):
    """Return the public objects of the modules, by name."""
    return {name: getattr(m, name) for m in modules for name in m.__all__}


fallback = SimpleNamespace(**public_names(FALLBACKS))
installed = SimpleNamespace(
    **{
        name: next(
            getattr(p, name) for p in (network, rules, scopes, summaries) if hasattr(p, name)
        )
        for name in vars(fallback)
    }
)

compiled_only = pytest.mark.skipif(
    not _kernels.COMPILED,
    reason="the compiled kernels were not built: there is nothing to compare with the fallback",
)
