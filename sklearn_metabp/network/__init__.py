"""Networks: the layout of their parameters, their functions, and one step of a training."""

from sklearn_metabp._kernels.functions import (
    CLASS_LOSSES,
    CLASS_OUT_ACTIVATIONS,
    HIDDEN_ACTIVATIONS,
    INPUT_GRADIENT_NORMS,
    LOSSES,
    NUMBER_LOSSES,
    OUT_ACTIVATIONS,
)
from sklearn_metabp._kernels.network.input_layer import Embedding, InputLayer
from sklearn_metabp.network.base import BaseNetwork
from sklearn_metabp.network.constant import constant_biases, constant_loss
from sklearn_metabp.network.initializers import INITIALIZERS, glorot_uniform, resolve_initializer
from sklearn_metabp.network.layout import Extra, ParameterLayout, Role, Tensor
from sklearn_metabp.network.mean_loss import MeanLoss
from sklearn_metabp.network.network import Network, mixes_of
from sklearn_metabp.network.recurrent import RecurrentNetwork
from sklearn_metabp.network.row_starts import ROW_STARTS, sample_rows
from sklearn_metabp.network.step import BatchLoss, OtherStep, Step, StepView, TrainingRows
from sklearn_metabp.network.step_report import (
    ReportedStep,
    StepReport,
    layer_name,
    report_of,
    rounded,
)

__all__ = [
    "CLASS_LOSSES",
    "CLASS_OUT_ACTIVATIONS",
    "HIDDEN_ACTIVATIONS",
    "INITIALIZERS",
    "INPUT_GRADIENT_NORMS",
    "LOSSES",
    "NUMBER_LOSSES",
    "OUT_ACTIVATIONS",
    "ROW_STARTS",
    "BaseNetwork",
    "BatchLoss",
    "Embedding",
    "Extra",
    "InputLayer",
    "MeanLoss",
    "Network",
    "OtherStep",
    "ParameterLayout",
    "RecurrentNetwork",
    "ReportedStep",
    "Role",
    "Step",
    "StepReport",
    "StepView",
    "Tensor",
    "TrainingRows",
    "constant_biases",
    "constant_loss",
    "glorot_uniform",
    "layer_name",
    "mixes_of",
    "report_of",
    "resolve_initializer",
    "rounded",
    "sample_rows",
]
