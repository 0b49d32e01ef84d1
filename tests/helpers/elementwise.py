"""Update rules that consist of elementwise operations, and a comparison of their states."""

from numpy.testing import assert_array_equal

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
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    ScheduleFree,
)


def one_over_t(t, t_planned):
    return 1 / t


RULES = [
    SGD(0.1),
    SGD(0.05, momentum=0.9),
    SGD(0.05, momentum=0.9, nesterov=True, schedule="cosine"),
    AdaDelta(),
    AdaGrad(0.1),
    Adam(0.01),
    Adam(0.01, schedule="one_cycle"),
    Adam(0.02, schedule="adaptive"),
    Adam(0.01, schedule=one_over_t),
    AdaMax(0.02),
    AdamW(0.01, weight_decay=0.1),
    AdamW(0.01, decay_epochs=3, weight_decay=0.01, cautious=True, schedule="cosine"),
    AdamW(0.01, weight_decay=0.1, schedule="coslog4", decay_schedule="flat_cosine"),
    AdamW(0.01, weight_decay=0.1, decay_schedule=one_over_t),
    Lion(0.002, weight_decay=0.1),
    Lion(0.002, decay_epochs=5, cautious=True),
    NAdam(0.01),
    RAdam(0.02),
    RAdam(0.02, schedule="invscaling"),
    RMSprop(0.01),
    Rprop(),
    Averaged(Adam(0.01)),
    Averaged(AdamW(0.01, schedule="cosine"), decay=0.9),
    ScheduleFree(),
    ScheduleFree(SGD(0.3), warmup_steps=7),
    Layerwise(Adam(0.01), rates={0: 2.0}, decay_epochs=10),
    Layerwise(Adam(0.01), rates={0: 0.5}, decay_epochs=10, cautious=True),
    Clipped(Adam(0.01), max_norm=0.05),
    Clipped(Clipped(SGD(0.5), max_norm=0.3), max_norm=0.2),
    Averaged(Clipped(Lion(0.003, weight_decay=0.2), max_norm=0.1)),
]
NAMES = [f"{number} {type(rule).__name__}" for number, rule in enumerate(RULES)]


def assert_same_states(state, other):
    """Assert that nested states of a rule have the same numbers, to the last bit."""
    assert state.keys() == other.keys()
    for name, value in state.items():
        if isinstance(value, dict):
            assert_same_states(value, other[name])
        else:
            assert_array_equal(value, other[name])
