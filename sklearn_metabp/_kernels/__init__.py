"""The numbers: flat arrays in, flat arrays out.

The compiled modules where they could be built, their NumPy twins in ``reference`` where not. Both
offer the same names; ``COMPILED`` says which one is in use.
"""

from sklearn_metabp._kernels.reference import (
    BLOCK,
    LINK_INPUTS,
    LINK_UNITS,
    NEURON_INPUTS,
    link_history,
    memory_rows,
    remember_steps,
)

try:
    from sklearn_metabp._kernels._backprop import Backprop
    from sklearn_metabp._kernels._link_rule import LinkRule, link_inputs
    from sklearn_metabp._kernels._neuron_rule import NeuronRule
    from sklearn_metabp._kernels._pattern_rule import PatternRule
    from sklearn_metabp._kernels._rule_steps import (
        adadelta_step,
        adagrad_step,
        adam_step,
        adamax_step,
        apply_updates,
        average_step,
        decay_step,
        lion_step,
        momentum_step,
        nadam_step,
        norm,
        radam_step,
        rmsprop_step,
        rprop_step,
        sgd_step,
    )

    COMPILED = True
except ImportError:  # no compiler when the package was installed
    from sklearn_metabp._kernels.reference import (
        Backprop,
        LinkRule,
        NeuronRule,
        PatternRule,
        link_inputs,
    )
    from sklearn_metabp._kernels.reference_rules import (
        adadelta_step,
        adagrad_step,
        adam_step,
        adamax_step,
        apply_updates,
        average_step,
        decay_step,
        lion_step,
        momentum_step,
        nadam_step,
        norm,
        radam_step,
        rmsprop_step,
        rprop_step,
        sgd_step,
    )

    COMPILED = False

__all__ = [
    "BLOCK",
    "COMPILED",
    "LINK_INPUTS",
    "LINK_UNITS",
    "NEURON_INPUTS",
    "Backprop",
    "LinkRule",
    "NeuronRule",
    "PatternRule",
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "apply_updates",
    "average_step",
    "decay_step",
    "link_history",
    "link_inputs",
    "lion_step",
    "memory_rows",
    "momentum_step",
    "nadam_step",
    "norm",
    "radam_step",
    "remember_steps",
    "rmsprop_step",
    "rprop_step",
    "sgd_step",
]
