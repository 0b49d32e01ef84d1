"""The elementwise steps of the update rules in NumPy, written as the equations read.

Arrays are flat, of one length and dtype. ``updates`` is written, and so is the state of a rule. The
compiled steps are in ``_rule_steps``.
"""

import numpy as np

__all__ = [
    "adadelta_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "apply_updates",
    "average_step",
    "cautious_decay_step",
    "clip_step",
    "decay_step",
    "distance_sums",
    "layerwise_step",
    "lion_step",
    "momentum_step",
    "nadam_step",
    "norm",
    "prodigy_step",
    "radam_step",
    "rmsprop_step",
    "rprop_step",
    "schedule_free_step",
    "sgd_step",
]


@np.errstate(all="ignore")
def sgd_step(gradients: np.ndarray, updates: np.ndarray, learning_rate: float) -> None:
    """Write Delta w = -gamma g: rule (3)."""
    updates[...] = -learning_rate * gradients


@np.errstate(all="ignore")
def momentum_step(
    gradients: np.ndarray,
    velocity: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
) -> None:
    """Take a step of momentum: v = mu v + g; Delta w = -gamma v.

    With Nesterov's look ahead, Delta w = -gamma (g + mu v).
    """
    velocity[...] = momentum * velocity + gradients
    updates[...] = -learning_rate * (gradients + momentum * velocity if nesterov else velocity)


@np.errstate(all="ignore")
def adam_step(
    gradients: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
) -> None:
    """Take Adam's step t = 1, 2, ... with bias-corrected moments."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    mean_hat = mean / (1 - beta_1**t)
    square_hat = square / (1 - beta_2**t)
    updates[...] = -learning_rate * mean_hat / (np.sqrt(square_hat) + epsilon)


@np.errstate(all="ignore")
def rprop_step(
    gradients: np.ndarray,
    previous: np.ndarray,
    sizes: np.ndarray,
    updates: np.ndarray,
    share: float,
    increase: float,
    decrease: float,
    min_step: float,
    max_step: float,
) -> None:
    """Take a step of Rprop.

    Step sizes grow while g keeps its sign. They shrink where it changed, and there g counts as 0.
    """
    turned = np.sign(gradients) * np.sign(previous)
    factor = np.where(turned > 0, increase, np.where(turned < 0, decrease, 1)).astype(sizes.dtype)
    sizes[...] = np.clip(factor * sizes, min_step, max_step)
    previous[...] = np.where(turned < 0, 0, gradients)
    updates[...] = -share * sizes * np.sign(previous)


@np.errstate(all="ignore")
def adagrad_step(
    gradients: np.ndarray,
    total: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    epsilon: float,
) -> None:
    """Take a step of AdaGrad: G = G + g^2; Delta w = -gamma g / (sqrt(G) + epsilon)."""
    total += gradients**2
    updates[...] = -learning_rate * gradients / (np.sqrt(total) + epsilon)


@np.errstate(all="ignore")
def adadelta_step(
    gradients: np.ndarray,
    square: np.ndarray,
    moved: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    decay: float,
    epsilon: float,
) -> None:
    """Take a step of AdaDelta: Delta w = -gamma g RMS(moves) / RMS(gradients)."""
    square[...] = decay * square + (1 - decay) * gradients**2
    move = np.sqrt(moved + epsilon) / np.sqrt(square + epsilon) * gradients
    moved[...] = decay * moved + (1 - decay) * move**2
    updates[...] = -learning_rate * move


@np.errstate(all="ignore")
def rmsprop_step(
    gradients: np.ndarray,
    square: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    decay: float,
    epsilon: float,
) -> None:
    """Take a step of RMSprop: Delta w = -gamma g / (sqrt(v) + epsilon).

    The running mean square is v = rho v + (1 - rho) g^2.
    """
    square[...] = decay * square + (1 - decay) * gradients**2
    updates[...] = -learning_rate * gradients / (np.sqrt(square) + epsilon)


@np.errstate(all="ignore")
def adamax_step(
    gradients: np.ndarray,
    mean: np.ndarray,
    largest: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
) -> None:
    """Take AdaMax's step t = 1, 2, ...: the corrected mean over a decaying maximum."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    largest[...] = np.maximum(beta_2 * largest, np.abs(gradients) + epsilon)
    updates[...] = -learning_rate / (1 - beta_1**t) * mean / largest


@np.errstate(all="ignore")
def nadam_step(
    gradients: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    updates: np.ndarray,
    of_mean: float,
    of_gradient: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    t: int,
) -> None:
    """Take a step of NAdam: Delta w = -(a m + b g) / (sqrt(v_hat) + epsilon).

    The factors a and b contain the learning rate and the corrections.
    """
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    square_hat = square / (1 - beta_2**t)
    updates[...] = -(of_mean * mean + of_gradient * gradients) / (np.sqrt(square_hat) + epsilon)


@np.errstate(all="ignore")
def radam_step(
    gradients: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    updates: np.ndarray,
    corrected_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    divided: bool,
) -> None:
    """Take a step of RAdam: Delta w = -a m / (sqrt(v) + epsilon), or -a m where not ``divided``."""
    mean[...] = beta_1 * mean + (1 - beta_1) * gradients
    square[...] = beta_2 * square + (1 - beta_2) * gradients**2
    updates[...] = -corrected_rate * mean / (np.sqrt(square) + epsilon if divided else 1)


@np.errstate(all="ignore")
def lion_step(
    gradients: np.ndarray,
    mean: np.ndarray,
    updates: np.ndarray,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
) -> None:
    """Take a step of Lion: Delta w = -gamma sign(beta_1 m + (1 - beta_1) g).

    Then m = beta_2 m + (1 - beta_2) g.
    """
    updates[...] = -learning_rate * np.sign(beta_1 * mean + (1 - beta_1) * gradients)
    mean[...] = beta_2 * mean + (1 - beta_2) * gradients


@np.errstate(all="ignore")
def prodigy_step(
    gradients: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    updates: np.ndarray,
    distance: float,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
) -> None:
    """Take a step of Prodigy: Delta w = -gamma d m / (sqrt(v) + d epsilon).

    The moments m and v are those of d g, where d is the distance estimated so far.
    """
    scaled = distance * gradients
    mean[...] = beta_1 * mean + (1 - beta_1) * scaled
    square[...] = beta_2 * square + (1 - beta_2) * scaled**2
    updates[...] = -learning_rate * distance * mean / (np.sqrt(square) + distance * epsilon)


@np.errstate(all="ignore")
def distance_sums(
    gradients: np.ndarray,
    params: np.ndarray,
    start: np.ndarray,
    direction: np.ndarray,
    decay: float,
    share: float,
) -> tuple[float, float]:
    """Compute s = decay s + share g, and return the sums of g (start - w) and of |s| in double."""
    direction[...] = decay * direction + share * gradients
    way = start.astype(np.float64) - params
    return float(np.sum(gradients * way)), float(np.sum(np.abs(direction), dtype=np.float64))


@np.errstate(all="ignore")
def clip_step(gradients: np.ndarray, max_norm: float) -> None:
    """Divide the gradient by its length over ``max_norm`` where it is longer."""
    length = norm(gradients)
    if length == np.inf:
        gradients /= np.abs(gradients).max()
        length = norm(gradients)
    elif not length > max_norm:
        return
    gradients *= gradients.dtype.type(max_norm / length)


@np.errstate(all="ignore")
def decay_step(weights: np.ndarray, updates: np.ndarray, share: float) -> None:
    """Add decoupled decay: Delta w = Delta w - share w."""
    updates -= share * weights


@np.errstate(all="ignore")
def cautious_decay_step(weights: np.ndarray, updates: np.ndarray, share: float) -> None:
    """Add decoupled decay, but not where Delta w and w have the same sign."""
    updates -= np.where(np.sign(updates) * np.sign(weights) > 0, 0, share * weights)


@np.errstate(all="ignore")
def layerwise_step(
    params: np.ndarray,
    factors: np.ndarray,
    shares: np.ndarray,
    updates: np.ndarray,
    cautious: bool,
) -> None:
    """Compute Delta w = factor Delta w - share w, with a factor and a share per parameter.

    If ``cautious``, there is no decay where Delta w and w have the same sign.
    """
    decay = shares * params
    if cautious:
        decay = np.where(np.sign(updates) * np.sign(params) > 0, 0, decay)
    updates[...] = factors * updates - decay


@np.errstate(all="ignore")
def average_step(
    params: np.ndarray, updates: np.ndarray, average: np.ndarray, share: float
) -> None:
    """Move the average towards the parameters after the step: a = a + share (w + Delta w - a)."""
    average += share * (params + updates - average)


@np.errstate(all="ignore")
def schedule_free_step(
    offset: np.ndarray, updates: np.ndarray, beta: float, factor: float, share: float
) -> None:
    """Turn the step of z into that of y = (1 - beta) z + beta x, where the offset is x - z.

    z takes the step times the factor. Then x moves the given share of its way to z.
    """
    of_z = factor * updates
    moved = (1 - share) * (offset - of_z)
    updates[...] = of_z + beta * (moved - offset)
    offset[...] = moved


@np.errstate(all="ignore")
def norm(values: np.ndarray) -> float:
    """Return the square root of the sum of squares, summed in double."""
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))


@np.errstate(all="ignore")
def apply_updates(params: np.ndarray, updates: np.ndarray) -> bool:
    """Add the updates to the parameters; return False if an update was not finite."""
    params += updates
    return bool(np.isfinite(updates).all())
