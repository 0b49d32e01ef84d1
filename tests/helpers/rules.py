"""The table of update rules, and functions that run one of them without a network."""

from functools import partial
from math import e
from types import SimpleNamespace

import numpy as np

from helpers import oracles
from sklearn_metabp import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    Averaged,
    Clipped,
    Layerwise,
    LinearBackprop,
    Lion,
    Muon,
    NAdam,
    Prodigy,
    RAdam,
    RMSprop,
    Rprop,
    Safeguarded,
    ScheduleFree,
    UpdateRule,
)
from sklearn_metabp.network import ParameterLayout

# Pairs of a rule and its oracle, a function that returns the updates of one parameter.
RULES = [
    (SGD(learning_rate=0.3), partial(oracles.sgd_oracle, learning_rate=0.3)),
    (SGD(0.05, momentum=0.9), partial(oracles.sgd_oracle, learning_rate=0.05, momentum=0.9)),
    (
        SGD(0.05, momentum=0.7, nesterov=True),
        partial(oracles.sgd_oracle, learning_rate=0.05, momentum=0.7, nesterov=True),
    ),
    (Rprop(), oracles.rprop_oracle),
    (
        Rprop(0.1, 1.5, 0.25, 0.01, 0.5),
        partial(oracles.rprop_oracle, first=0.1, up=1.5, down=0.25, low=0.01, high=0.5),
    ),
    (AdaGrad(), oracles.adagrad_oracle),
    (AdaGrad(0.3, 0.1), partial(oracles.adagrad_oracle, learning_rate=0.3, epsilon=0.1)),
    (AdaDelta(), oracles.adadelta_oracle),
    (
        AdaDelta(0.5, 0.6, 0.01),
        partial(oracles.adadelta_oracle, learning_rate=0.5, decay=0.6, epsilon=0.01),
    ),
    (RMSprop(), oracles.rmsprop_oracle),
    (
        RMSprop(0.1, 0.5, 1e-3),
        partial(oracles.rmsprop_oracle, learning_rate=0.1, decay=0.5, epsilon=1e-3),
    ),
    (Adam(), oracles.adam_oracle),
    (
        Adam(0.1, 0.5, 0.75, 0.5),
        partial(oracles.adam_oracle, learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=0.5),
    ),
    (
        Adam(0.01, 0.0, 0.0, 1e-3),
        partial(oracles.adam_oracle, learning_rate=0.01, beta_1=0.0, beta_2=0.0, epsilon=1e-3),
    ),
    (AdaMax(), oracles.adamax_oracle),
    (
        AdaMax(0.1, 0.5, 0.75, 0.5),
        partial(oracles.adamax_oracle, learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=0.5),
    ),
    (AdamW(), oracles.adamw_oracle),
    (
        AdamW(0.1, 0.5, 0.75, 0.5, weight_decay=0.3),
        partial(
            oracles.adamw_oracle,
            learning_rate=0.1,
            beta_1=0.5,
            beta_2=0.75,
            epsilon=0.5,
            weight_decay=0.3,
        ),
    ),
    (NAdam(), oracles.nadam_oracle),
    (
        NAdam(0.1, 0.5, 0.75, 0.5, 0.1),
        partial(
            oracles.nadam_oracle, learning_rate=0.1, beta_1=0.5, beta_2=0.75, epsilon=0.5, psi=0.1
        ),
    ),
    (RAdam(), oracles.radam_oracle),
    (
        RAdam(0.1, 0.5, 0.9, 0.5),
        partial(oracles.radam_oracle, learning_rate=0.1, beta_1=0.5, beta_2=0.9, epsilon=0.5),
    ),
    (Lion(), oracles.lion_oracle),
    (
        Lion(0.01, 0.5, 0.75, 0.3),
        partial(oracles.lion_oracle, learning_rate=0.01, beta_1=0.5, beta_2=0.75, weight_decay=0.3),
    ),
    (
        AdamW(0.1, weight_decay=0.3, cautious=True),
        partial(oracles.adamw_oracle, learning_rate=0.1, weight_decay=0.3, cautious=True),
    ),
    (
        Lion(0.01, 0.5, 0.75, 0.3, cautious=True),
        partial(
            oracles.lion_oracle,
            learning_rate=0.01,
            beta_1=0.5,
            beta_2=0.75,
            weight_decay=0.3,
            cautious=True,
        ),
    ),
    (
        AdamW(0.1, decay_epochs=7),  # an epoch is one step where these oracles are asked
        partial(oracles.adamw_oracle, learning_rate=0.1, weight_decay=(1 - e ** (-1 / 7)) / 0.1),
    ),
    (ScheduleFree(), oracles.schedule_free_adamw_oracle),
    (
        ScheduleFree(AdamW(0.1, 0.0, 0.75, 0.5, weight_decay=0.3), beta=0.6, warmup_steps=30),
        partial(
            oracles.schedule_free_adamw_oracle,
            learning_rate=0.1,
            beta=0.6,
            beta_2=0.75,
            epsilon=0.5,
            weight_decay=0.3,
            warmup_steps=30,
        ),
    ),
    (
        ScheduleFree(AdamW(0.1, 0.0, 0.75, 0.5, weight_decay=0.0), beta=0.0),
        partial(
            oracles.schedule_free_adamw_oracle,
            learning_rate=0.1,
            beta=0.0,
            beta_2=0.75,
            epsilon=0.5,
        ),
    ),
    (
        Layerwise(Adam(0.1), {"coefs_": 0.5, "intercepts_": 3.0}, {"coefs_": 7.0}),
        partial(oracles.layerwise_adam_oracle, learning_rate=0.1, factors=(0.5, 3.0), epochs=7.0),
    ),
    (
        Layerwise(Adam(0.1), {"coefs_": 0.5, "intercepts_": 3.0}, 7.0, cautious=True),
        partial(
            oracles.layerwise_adam_oracle,
            learning_rate=0.1,
            factors=(0.5, 3.0),
            epochs=7.0,
            cautious=True,
        ),
    ),
]

# Rules without an oracle of one parameter, and wrappers.
OTHERS = [
    Muon(),
    Muon(0.1, 0.5, False, 3, 0.3),
    Muon(decay_epochs=5, cautious=True),
    Prodigy(),
    Prodigy(2.0, 0.5, 0.75, 0.01, 0.3, 1e-3, 0.5, 1.5, True, True, cautious=True),
    Clipped(SGD(0.3), max_norm=0.1),
    Averaged(Adam(0.01), decay=0.9),
    Averaged(Clipped("rmsprop"), decay=0.9),
    Clipped(ScheduleFree("sgd", warmup_steps=5)),
    ScheduleFree(Layerwise(Muon(), rates={-1: 0.5}, decay_epochs=9.0, frozen=["intercepts_[0]"])),
    Averaged(Layerwise(Clipped("prodigy"), frozen=[0])),
]
WRAPPERS = [Clipped, Averaged, Layerwise, LinearBackprop, Safeguarded, ScheduleFree]
# Rules that use more of a network than its gradients.
OF_NETWORKS = [
    LinearBackprop(SGD(0.1)),
    Safeguarded(Adam(0.1), SGD(0.05)),
    Clipped(LinearBackprop("sgd")),
]
ALL_RULES = [*(rule for rule, _ in RULES), *OTHERS, *OF_NETWORKS]


class FunctionRule(UpdateRule):
    """A rule without a state whose update is a function of the step.

    Parameters
    ----------
    function : callable
    after : int
        Number of steps before the first that the function is called for; their updates are 0.
    """

    def __init__(self, function=None, after=0):
        self.function, self.after = function, after

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return self.function(step) if step.index > self.after else np.zeros_like(step.gradients)


class NumPySGD(UpdateRule):
    """Plain backpropagation that is not replayable, so that recorders copy every step."""

    def __init__(self, learning_rate=0.1):
        self.learning_rate = learning_rate

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return -step.params.dtype.type(self.learning_rate) * step.gradients


def make_step(layout, gradients, params, index=1, n_planned=100):
    """Return a step with only the values that rules of gradients and weights read."""
    return SimpleNamespace(
        gradients=gradients,
        params=params,
        updates=np.full_like(params, np.nan),
        layout=layout,
        index=index,
        n_planned=n_planned,
        steps_per_epoch=1,
        epoch=0,
        loss=1.0,
        start=0,
        stop=1,
    )


def walk(rule, gradients, start, dtype=np.float64, layer_sizes=None, n_planned=100):
    """Return the updates of a rule on gradients, one per step, its last state and parameters."""
    layer_sizes = layer_sizes or (1, len(start) // 2)
    layout = ParameterLayout(layer_sizes, dtype)
    state = rule.init_state(layout)
    params, rows = np.array(start, dtype), []
    step = make_step(layout, None, params, n_planned=n_planned)
    for t, gradient in enumerate(np.asarray(gradients, dtype), start=1):
        step.gradients, step.index = gradient, t
        step.updates[...] = np.nan
        rows.append(np.array(rule.compute_update(step, state)))
        params += rows[-1]
    return np.array(rows), state, params
