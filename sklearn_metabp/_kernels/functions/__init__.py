"""Activation functions, losses and norms of input gradients: tables that all else reads."""

from sklearn_metabp._kernels.functions.activations import (
    ACTIVATIONS,
    CLASS_OUT_ACTIVATIONS,
    HIDDEN_ACTIVATIONS,
    OUT_ACTIVATIONS,
    Activation,
    softmax_of_groups,
)
from sklearn_metabp._kernels.functions.input_gradients import (
    INPUT_GRADIENT_NORMS,
    InputGradientNorm,
    check_input_gradient,
)
from sklearn_metabp._kernels.functions.losses import (
    CLASS_LOSSES,
    LOSSES,
    NUMBER_LOSSES,
    Loss,
    check_functions,
    output_delta_changes,
    output_rules,
    weighted_means,
)

__all__ = [
    "ACTIVATIONS",
    "CLASS_LOSSES",
    "CLASS_OUT_ACTIVATIONS",
    "HIDDEN_ACTIVATIONS",
    "INPUT_GRADIENT_NORMS",
    "LOSSES",
    "NUMBER_LOSSES",
    "OUT_ACTIVATIONS",
    "Activation",
    "InputGradientNorm",
    "Loss",
    "check_functions",
    "check_input_gradient",
    "output_delta_changes",
    "output_rules",
    "softmax_of_groups",
    "weighted_means",
]
