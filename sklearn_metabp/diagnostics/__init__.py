"""Quantities of a recorded training, and a diagnosis in words."""

from sklearn_metabp.diagnostics.batch_tests import (
    BatchTest,
    inner_product_test,
    norm_test,
    orthogonality_test,
)
from sklearn_metabp.diagnostics.curvature import step_alphas
from sklearn_metabp.diagnostics.diagnosis import Diagnosis, Finding, diagnose
from sklearn_metabp.diagnostics.doctor import TrainingDoctor
from sklearn_metabp.diagnostics.neurons import dead_neurons, saturated_neurons
from sklearn_metabp.diagnostics.noise import (
    GradientNoise,
    critical_batch_size,
    gradient_noise,
    signal_to_noise,
)
from sklearn_metabp.diagnostics.sharpness import Sharpness, sharpness
from sklearn_metabp.diagnostics.updates import update_ratios

__all__ = [
    "BatchTest",
    "Diagnosis",
    "Finding",
    "GradientNoise",
    "Sharpness",
    "TrainingDoctor",
    "critical_batch_size",
    "dead_neurons",
    "diagnose",
    "gradient_noise",
    "inner_product_test",
    "norm_test",
    "orthogonality_test",
    "saturated_neurons",
    "sharpness",
    "signal_to_noise",
    "step_alphas",
    "update_ratios",
]
