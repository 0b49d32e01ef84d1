"""The elementwise steps of the update rules in NumPy, written as the equations read.

The twin of ``_rule_steps``. Arrays are flat, of one length and dtype; ``updates`` is written, and so is what
a rule remembers from step to step.
"""

import numpy as np


@np.errstate(all="ignore")
def sgd_step(gradients, updates, learning_rate):
    """Delta w = -gamma g: rule (3)."""
    updates[...] = -learning_rate * gradients


@np.errstate(all="ignore")
def momentum_step(gradients, velocity, updates, learning_rate, momentum, nesterov):
    """Momentum: v = mu v + g; Delta w = -gamma v, or with Nesterov's look ahead -gamma (g + mu v)."""
    velocity[...] = momentum * velocity + gradients
    updates[...] = -learning_rate * (gradients + momentum * velocity if nesterov else velocity)


@np.errstate(all="ignore")
def adam_step(gradients, mean, square, updates, learning_rate, beta_1, beta_2, epsilon, t):
    """Adam's step t = 1, 2, ... with bias-corrected moments."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    mean_hat = mean / (1 - beta_1**t)
    square_hat = square / (1 - beta_2**t)
    updates[...] = -learning_rate * mean_hat / (np.sqrt(square_hat) + epsilon)


@np.errstate(all="ignore")
def apply_updates(params, updates):
    """Add the updates; return False if one was not finite."""
    params += updates
    return bool(np.isfinite(updates).all())
