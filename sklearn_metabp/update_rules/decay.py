"""Decoupled weight decay, which several rules share."""

from sklearn_metabp._kernels.rules import decay_step


def decay_weights(step, share: float) -> None:
    """Take a share of every weight off the updates; biases are spared, as by ``alpha``."""
    if share:
        n_weights = step.layout.n_weights
        decay_step(step.params[:n_weights], step.updates[:n_weights], share)
