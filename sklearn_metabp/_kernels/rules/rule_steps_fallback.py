"""The elementwise steps of the update rules in NumPy, written as the equations read.

The twin of ``_rule_steps``. Arrays are flat, of one length and dtype; ``updates`` is written, and
so is what a rule remembers from step to step.
"""

import numpy as np

__all__ = [
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "apply_updates",
    "average_step",
    "decay_step",
    "lion_step",
    "momentum_step",
    "nadam_step",
    "norm",
    "radam_step",
    "rmsprop_step",
    "rprop_step",
    "sgd_step",
]


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
def rprop_step(gradients, previous, sizes, updates, share, increase, decrease, min_step, max_step):
    """Rprop: step sizes grow while the sign stays and shrink where it turned; there g counts as zero."""
    turned = np.sign(gradients) * np.sign(previous)
    factor = np.where(turned > 0, increase, np.where(turned < 0, decrease, 1)).astype(sizes.dtype)
    sizes[...] = np.clip(factor * sizes, min_step, max_step)
    previous[...] = np.where(turned < 0, 0, gradients)
    updates[...] = -share * sizes * np.sign(previous)


@np.errstate(all="ignore")
def adagrad_step(gradients, total, updates, learning_rate, epsilon):
    """AdaGrad: G = G + g^2; Delta w = -gamma g / (sqrt(G) + epsilon)."""
    total += gradients**2
    updates[...] = -learning_rate * gradients / (np.sqrt(total) + epsilon)


@np.errstate(all="ignore")
def adadelta_step(gradients, square, moved, updates, learning_rate, decay, epsilon):
    """AdaDelta: the root mean square of the moves over that of the gradients, times g."""
    square[...] = decay * square + (1 - decay) * gradients**2
    move = np.sqrt(moved + epsilon) / np.sqrt(square + epsilon) * gradients
    moved[...] = decay * moved + (1 - decay) * move**2
    updates[...] = -learning_rate * move


@np.errstate(all="ignore")
def rmsprop_step(gradients, square, updates, learning_rate, decay, epsilon):
    """RMSprop: v = rho v + (1 - rho) g^2; Delta w = -gamma g / (sqrt(v) + epsilon)."""
    square[...] = decay * square + (1 - decay) * gradients**2
    updates[...] = -learning_rate * gradients / (np.sqrt(square) + epsilon)


@np.errstate(all="ignore")
def adamax_step(gradients, mean, largest, updates, learning_rate, beta_1, beta_2, epsilon, t):
    """AdaMax: the corrected mean over a decaying maximum, at step t = 1, 2, ..."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    largest[...] = np.maximum(beta_2 * largest, np.abs(gradients) + epsilon)
    updates[...] = -learning_rate / (1 - beta_1**t) * mean / largest


@np.errstate(all="ignore")
def nadam_step(gradients, mean, square, updates, of_mean, of_gradient, beta_1, beta_2, epsilon, t):
    """NAdam: Delta w = -(a m + b g) / (sqrt(v_hat) + epsilon), learning rate and corrections in a and b."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    square_hat = square / (1 - beta_2**t)
    updates[...] = -(of_mean * mean + of_gradient * gradients) / (np.sqrt(square_hat) + epsilon)


@np.errstate(all="ignore")
def radam_step(gradients, mean, square, updates, corrected_rate, beta_1, beta_2, epsilon, divided):
    """RAdam: Delta w = -a m / (sqrt(v) + epsilon), or -a m while v tells too little."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    updates[...] = -corrected_rate * mean / (np.sqrt(square) + epsilon if divided else 1)


@np.errstate(all="ignore")
def lion_step(gradients, mean, updates, learning_rate, beta_1, beta_2):
    """Lion: Delta w = -gamma sign(beta_1 m + (1 - beta_1) g), then m = beta_2 m + (1 - beta_2) g."""
    updates[...] = -learning_rate * np.sign(beta_1 * mean + (1 - beta_1) * gradients)
    mean[...] = beta_2 * mean + (1 - beta_2) * gradients


@np.errstate(all="ignore")
def decay_step(weights, updates, share):
    """Decoupled decay: Delta w = Delta w - share w."""
    updates -= share * weights


@np.errstate(all="ignore")
def average_step(params, updates, average, share):
    """Move the average towards the parameters after the step: a = a + share (w + Delta w - a)."""
    average += share * (params + updates - average)


@np.errstate(all="ignore")
def norm(values):
    """Square root of the sum of squares, summed in double."""
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))


@np.errstate(all="ignore")
def apply_updates(params, updates):
    """Add the updates; return False if one was not finite."""
    params += updates
    return bool(np.isfinite(updates).all())
