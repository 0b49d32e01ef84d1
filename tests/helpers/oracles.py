"""Oracles of the update rules, number by number in plain Python, from the equations of the sources.

An oracle is a function of the gradients of one parameter, its first value, and whether it is a
weight (biases do not decay). It returns the updates of that parameter. Running means are computed
by their definition, as sums over the whole past.
"""

import itertools
import math


def running_mean(values, decay):
    """Return ``sum (1 - decay) decay**(t - s) values[s]`` up to the last value."""
    t = len(values) - 1
    return math.fsum((1 - decay) * decay ** (t - s) * value for s, value in enumerate(values))


def squares(values):
    return [value**2 for value in values]


def decaying(direction, share, start, is_weight, cautious=False):
    """Return updates along a list of directions, minus a share of the weight at every step.

    The update vector u of "Cautious Weight Decay" is minus the direction: there is decay where
    u w >= 0.
    """
    updates, w = [], start
    for d in direction:
        decays = is_weight and (not cautious or -d * w >= 0)
        updates.append(d - share * w if decays else d)
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


def adamw_oracle(
    gradients,
    start,
    is_weight,
    learning_rate=0.001,
    weight_decay=0.01,
    cautious=False,
    **betas,
):
    steps = adam_oracle(gradients, start, is_weight, learning_rate, **betas)
    return decaying(steps, learning_rate * weight_decay, start, is_weight, cautious)


def layerwise_adam_oracle(
    gradients, start, is_weight, learning_rate, factors, epochs, cautious=False
):
    """Compute Adam with a rate for weights and one for biases, and weights that decay.

    In so many steps as there are epochs, decay alone divides a weight by e.
    """
    factor = factors[0] if is_weight else factors[1]
    steps = adam_oracle(gradients, start, is_weight, factor * learning_rate)
    return decaying(steps, 1 - math.e ** (-1 / epochs), start, is_weight, cautious)


def schedule_free_adamw_oracle(
    gradients,
    start,
    is_weight,
    learning_rate=0.0025,
    beta=0.9,
    beta_2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    warmup_steps=0,
):
    """Compute algorithm 1 of "The Road Less Scheduled", with x as a sum over all z so far.

    All points are counted from the start, for their digits.
    """
    z, ys, zs, weights = 0.0, [0.0], [], []
    for t, _, _, _, square_hat in moments(gradients, 0.0, beta_2):
        rate = learning_rate * min(1, t / warmup_steps) if warmup_steps else learning_rate
        decay = weight_decay * (start + ys[-1]) if is_weight else 0.0
        z -= rate * (gradients[t - 1] / (math.sqrt(square_hat) + epsilon) + decay)
        zs.append(z)
        weights.append(rate**2)
        behind = math.fsum(a * (z - b) for a, b in zip(weights, zs, strict=True))
        x = z - behind / math.fsum(weights)
        ys.append((1 - beta) * z + beta * x)
    return [after - before for before, after in itertools.pairwise(ys)]


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
    gradients,
    start,
    is_weight,
    learning_rate=1e-4,
    beta_1=0.9,
    beta_2=0.99,
    weight_decay=0.0,
    cautious=False,
):
    steps = []
    for t, g in enumerate(gradients):
        mixed = beta_1 * running_mean(gradients[:t], beta_2) + (1 - beta_1) * g
        steps.append(0.0 if mixed == 0 else -learning_rate * math.copysign(1, mixed))
    return decaying(steps, learning_rate * weight_decay, start, is_weight, cautious)


def prodigy_oracle(
    gradients_at,
    start,
    n_weights,
    n_steps,
    learning_rate=1.0,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-8,
    weight_decay=0.0,
    d0=1e-6,
    d_coef=1.0,
    growth_rate=math.inf,
    bias_correction=False,
    safeguard_warmup=False,
):
    """Compute Prodigy, algorithm 4 of Mishchenko and Defazio (2023), for a whole vector.

    r and s are the sums that their recursions stand for. Returns the points w_0, w_1, … and the
    estimates d_0, d_1, ….
    """
    points, ds, gs, rates = [list(start)], [d0], [], []
    largest = d0
    for k in range(n_steps):
        w, d = points[-1], ds[-1]
        gs.append(list(gradients_at(w)))
        rate = learning_rate
        if bias_correction:
            rate *= math.sqrt(1 - beta_2 ** (k + 1)) / (1 - beta_1 ** (k + 1))
        rates.append(rate)
        faded = [math.sqrt(beta_2) ** (k - i) for i in range(k + 1)]
        r = math.fsum(
            faded[i] * rates[i] * ds[i] ** 2 * gs[i][j] * (start[j] - points[i][j])
            for i in range(k + 1)
            for j in range(len(start))
        )
        size = math.fsum(
            abs(
                math.fsum(
                    faded[i] * (1 if safeguard_warmup else rates[i]) * ds[i] ** 2 * gs[i][j]
                    for i in range(k + 1)
                )
            )
            for j in range(len(start))
        )
        after = []
        for j in range(len(start)):
            scaled = [ds[i] * gs[i][j] for i in range(k + 1)]
            step = running_mean(scaled, beta_1) / (
                math.sqrt(running_mean(squares(scaled), beta_2)) + d * epsilon
            )
            decay = weight_decay * w[j] if j < n_weights else 0.0
            after.append(w[j] - rate * d * (step + decay))
        points.append(after)
        estimate = d_coef * r / size
        largest = max(largest, estimate)
        ds.append(min(largest, (max(d, estimate) if d == d0 else d) * growth_rate))
    return points, ds
