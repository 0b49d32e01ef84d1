"""Activation functions and losses: two tables that everything else reads."""

from sklearn_metabp._kernels.functions.activations import (
    ACTIVATIONS,
    CLASS_OUT_ACTIVATIONS,
    HIDDEN_ACTIVATIONS,
    OUT_ACTIVATIONS,
    Activation,
    softmax_of_groups,
)
from sklearn_metabp._kernels.functions.losses import (
    CLASS_LOSSES,
    LOSSES,
    NUMBER_LOSSES,
    Loss,
    check_functions,
    output_rules,
    weighted_means,
)

__all__ = [
    "ACTIVATIONS",
    "CLASS_LOSSES",
    "CLASS_OUT_ACTIVATIONS",
    "HIDDEN_ACTIVATIONS",
    "LOSSES",
    "NUMBER_LOSSES",
    "OUT_ACTIVATIONS",
    "Activation",
    "Loss",
    "check_functions",
    "output_rules",
    "softmax_of_groups",
    "weighted_means",
]
