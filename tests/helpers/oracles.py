"""Oracles of the update rules, number by number in plain Python, from the equations of the sources.

An oracle is a function of the gradients of one parameter, its first value, and whether it is a
weight (biases do not decay). It returns the updates of that parameter. Running means are computed
by their definition, as sums over the whole past.
"""

import math


def running_mean(values, decay):
    """Return ``sum (1 - decay) decay**(t - s) values[s]`` up to the last value."""
    t = len(values) - 1
    return math.fsum((1 - decay) * decay ** (t - s) * value for s, value in enumerate(values))


def squares(values):
    return [value**2 for value in values]


def decaying(direction, share, start, is_weight):
    """Return updates along a list of directions, minus a share of the weight at every step."""
    updates, w = [], start
    for d in direction:
        updates.append(d - share * w if is_weight else d)
        w += updates[-1]
    return updates


def sgd_oracle(gradients, start, is_weight, learning_rate=0.01, momentum=0.0, nesterov=False):
    """Compute SGD in the form of Sutskever et al. (2013), v = mu v - gamma g.

    In that form Nesterov's momentum takes the gradient after a look ahead. If the parameters are
    kept at the point of the look ahead, a step is mu v - gamma g.
    """
    v, updates = 0.0, []
    for g in gradients:
        v = momentum * v - learning_rate * g
        updates.append(momentum * v - learning_rate * g if nesterov else v)
    return updates


def rprop_oracle(gradients, start, is_weight, first=0.01, up=1.2, down=0.5, low=1e-6, high=50.0):
    """Compute Rprop by the lecture: compare two signs, change the step size, limit it."""
    updates, size, last_sign = [], first, 0
    for g in gradients:
        sign = 0 if g == 0 else int(math.copysign(1, g))
        if sign and sign == last_sign:
            size = min(size * up, high)
        elif sign and sign == -last_sign:
            size, sign = max(size * down, low), 0
        updates.append(-sign * size)
        last_sign = sign
    return updates


def adagrad_oracle(gradients, start, is_weight, learning_rate=0.01, epsilon=1e-10):
    updates = []
    for t, g in enumerate(gradients):
        root = math.sqrt(math.fsum(squares(gradients[: t + 1])))
        updates.append(-learning_rate * g / (root + epsilon))
    return updates


def adadelta_oracle(gradients, start, is_weight, learning_rate=1.0, decay=0.9, epsilon=1e-6):
    moves = []
    for t, g in enumerate(gradients):
        rms_moves = math.sqrt(running_mean(squares(moves), decay) + epsilon)
        rms_gradients = math.sqrt(running_mean(squares(gradients[: t + 1]), decay) + epsilon)
        moves.append(rms_moves / rms_gradients * g)
    return [-learning_rate * move for move in moves]


def rmsprop_oracle(gradients, start, is_weight, learning_rate=0.001, decay=0.9, epsilon=1e-8):
    updates = []
    for t, g in enumerate(gradients):
        root = math.sqrt(running_mean(squares(gradients[: t + 1]), decay))
        updates.append(-learning_rate * g / (root + epsilon))
    return updates


def moments(gradients, beta_1, beta_2):
    """Yield t = 1, 2, …, both running means, and both divided by their shares of the past."""
    for t in range(1, len(gradients) + 1):
        mean = running_mean(gradients[:t], beta_1)
        square = running_mean(squares(gradients[:t]), beta_2)
        yield t, mean, square, mean / (1 - beta_1**t), square / (1 - beta_2**t)


def adam_oracle(
    gradients, start, is_weight, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8
):
    return [
        -learning_rate * mean_hat / (math.sqrt(square_hat) + epsilon)
        for _, _, _, mean_hat, square_hat in moments(gradients, beta_1, beta_2)
    ]


def adamw_oracle(gradients, start, is_weight, learning_rate=0.001, weight_decay=0.01, **betas):
    steps = adam_oracle(gradients, start, is_weight, learning_rate, **betas)
    return decaying(steps, learning_rate * weight_decay, start, is_weight)


def adamax_oracle(
    gradients, start, is_weight, learning_rate=0.002, beta_1=0.9, beta_2=0.999, epsilon=1e-8
):
    """Compute AdaMax by the infinite norm: the maximum over the past of each decayed gradient."""
    updates = []
    for t, _, _, mean_hat, _ in moments(gradients, beta_1, beta_2):
        largest = max(beta_2 ** (t - 1 - s) * (abs(gradients[s]) + epsilon) for s in range(t))
        updates.append(-learning_rate * mean_hat / largest)
    return updates


def nadam_oracle(
    gradients,
    start,
    is_weight,
    learning_rate=0.002,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-8,
    psi=0.004,
):
    updates = []
    for t, mean, _, _, square_hat in moments(gradients, beta_1, beta_2):
        mus = [beta_1 * (1 - 0.5 * 0.96 ** (s * psi)) for s in range(1, t + 2)]
        ahead = mus[t] * mean / (1 - math.prod(mus))
        now = (1 - mus[t - 1]) * gradients[t - 1] / (1 - math.prod(mus[:t]))
        updates.append(-learning_rate * (ahead + now) / (math.sqrt(square_hat) + epsilon))
    return updates


def radam_oracle(
    gradients, start, is_weight, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8
):
    """Compute RAdam by the step of the paper, -alpha r m_hat l.

    l_t is sqrt(1 - beta_2**t) / (sqrt(v) + epsilon).
    """
    rho_end, updates = 2 / (1 - beta_2) - 1, []
    for t, _, square, mean_hat, _ in moments(gradients, beta_1, beta_2):
        rho = rho_end - 2 * t * beta_2**t / (1 - beta_2**t)
        size = 1.0
        if rho > 5:
            r = math.sqrt((rho - 4) / (rho_end - 4) * (rho - 2) / (rho_end - 2) * rho_end / rho)
            size = r * math.sqrt(1 - beta_2**t) / (math.sqrt(square) + epsilon)
        updates.append(-learning_rate * mean_hat * size)
    return updates


def lion_oracle(
    gradients, start, is_weight, learning_rate=1e-4, beta_1=0.9, beta_2=0.99, weight_decay=0.0
):
    steps = []
    for t, g in enumerate(gradients):
        mixed = beta_1 * running_mean(gradients[:t], beta_2) + (1 - beta_1) * g
        steps.append(0.0 if mixed == 0 else -learning_rate * math.copysign(1, mixed))
    return decaying(steps, learning_rate * weight_decay, start, is_weight)
