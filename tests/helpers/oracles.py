"""Update rules and link inputs, number by number in plain Python, from their sources' equations."""

import math

from sklearn_metabp import SGD, Adam


def sgd_oracle(gradients, learning_rate=0.01, momentum=0.0, nesterov=False):
    """Updates of one parameter in the form of Sutskever et al. (2013), v = mu v - gamma g.

    Nesterov's momentum is there the gradient taken after a look ahead; with the parameters kept at
    the point looked ahead to, a step is mu v - gamma g.
    """
    v, updates = 0.0, []
    for g in gradients:
        v = momentum * v - learning_rate * g
        updates.append(momentum * v - learning_rate * g if nesterov else v)
    return updates


def adam_oracle(gradients, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """Updates of one parameter by sums over the whole past, the moments' definition."""
    updates = []
    for t in range(1, len(gradients) + 1):
        past = range(t)
        mean = math.fsum((1 - beta_1) * beta_1 ** (t - 1 - s) * gradients[s] for s in past)
        square = math.fsum((1 - beta_2) * beta_2 ** (t - 1 - s) * gradients[s] ** 2 for s in past)
        mean_hat, square_hat = mean / (1 - beta_1**t), square / (1 - beta_2**t)
        updates.append(-learning_rate * mean_hat / (math.sqrt(square_hat) + epsilon))
    return updates


# rule, the function that gives one parameter's updates
RULES = [
    (SGD(learning_rate=0.3), lambda g: sgd_oracle(g, 0.3)),
    (SGD(learning_rate=0.05, momentum=0.9), lambda g: sgd_oracle(g, 0.05, 0.9)),
    (SGD(learning_rate=0.05, momentum=0.7, nesterov=True), lambda g: sgd_oracle(g, 0.05, 0.7, True)),
    (Adam(), adam_oracle),
    (Adam(0.1, 0.5, 0.75, 0.5), lambda g: adam_oracle(g, 0.1, 0.5, 0.75, 0.5)),
    (Adam(0.01, 0.0, 0.0, 1e-3), lambda g: adam_oracle(g, 0.01, 0.0, 0.0, 1e-3)),
]
