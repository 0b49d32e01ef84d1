"""Networks: the layout of their parameters, what they compute, and what one step of them knows."""

from sklearn_metabp.network.constant import constant_biases, constant_loss
from sklearn_metabp.network.initializers import INITIALIZERS, glorot_uniform, resolve_initializer
from sklearn_metabp.network.layout import ParameterLayout, Tensor
from sklearn_metabp.network.network import (
    HIDDEN_ACTIVATIONS,
    LOSSES,
    OUT_ACTIVATIONS,
    Network,
)
from sklearn_metabp.network.step import Step
from sklearn_metabp.network.step_view import StepView
from sklearn_metabp.network.trial import Trial

__all__ = [
    "HIDDEN_ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "OUT_ACTIVATIONS",
    "Network",
    "ParameterLayout",
    "Step",
    "StepView",
    "Tensor",
    "Trial",
    "constant_biases",
    "constant_loss",
    "glorot_uniform",
    "resolve_initializer",
]
