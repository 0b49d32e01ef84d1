"""The first three steps of every rule, worked out by hand."""

import math

import numpy as np
import pytest
from helpers.rules import walk

from sklearn_metabp import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    Layerwise,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    ScheduleFree,
)

ADAM = (-0.08, -0.03684651, 0.03997887)

# rule, gradients of one parameter, its first three updates by hand
FIRST_STEPS = [
    # -0.1 g
    (SGD(0.1), (1.0, 0.5, -2.0), (-0.1, -0.05, 0.2)),
    # v = 1; 0.9 + 0.5 = 1.4; 1.26 - 2 = -0.74; updates -0.1 v
    (SGD(0.1, 0.9), (1.0, 0.5, -2.0), (-0.1, -0.14, 0.074)),
    # the same v; g + 0.9 v = 1.9; 0.5 + 1.26 = 1.76; -2 - 0.666 = -2.666
    (SGD(0.1, 0.9, nesterov=True), (1.0, 0.5, -2.0), (-0.19, -0.176, 0.2666)),
    # 0.1; the sign stays: 0.1 * 1.2; it turns: 0.06, and no step
    (Rprop(0.1), (1.0, 2.0, -1.0), (-0.1, -0.12, 0.0)),
    # it turns: 0.05 and no step; nothing to compare with: 0.05
    (Rprop(0.1), (1.0, -3.0, -0.5), (-0.1, 0.0, 0.05)),
    # a zero neither stays nor turns: 0.1 all along
    (Rprop(0.1), (1.0, 0.0, -1.0), (-0.1, 0.0, 0.1)),
    # 0.2 is too much
    (Rprop(0.1, increase=2.0, max_step=0.15), (1.0, 1.0, 1.0), (-0.1, -0.15, -0.15)),
    # 0.05 is too little
    (Rprop(0.1, min_step=0.08), (1.0, -1.0, -1.0), (-0.1, 0.0, 0.08)),
    # roots of 9, 9 + 16, 25 + 144: 3/3, 4/5, 12/13
    (AdaGrad(0.1), (3.0, 4.0, -12.0), (-0.1, -0.08, 0.1 * 12 / 13)),
    # 3 / 3.5, 4 / 5.5, 0
    (AdaGrad(0.1, 0.5), (3.0, 4.0, 0.0), (-0.3 / 3.5, -0.4 / 5.5, 0.0)),
    # v = 2: 2 * 0.5 / 1.5 = 2/3, u = 2/9; v = 1: 0, u = 1/9; v = 2.5: -2 sqrt(13/36 / 2.75)
    (AdaDelta(1.0, 0.5, 0.25), (2.0, 0.0, -2.0), (-2 / 3, 0.0, 0.72474306)),
    # v = 1: 2 / 1.5; v = 0.75; v = 4.5625: -4 / (2.13600094 + 0.5)
    (RMSprop(0.1, 0.75, 0.5), (2.0, 0.0, -4.0), (-0.2 / 1.5, 0.0, 0.15174501)),
    # m = 0.5 * 2 = 1, 0.5, 0.25 - 1 = -0.75; corrected by 1/2, 3/4, 7/8: 2, 2/3, -6/7
    # v = 0.25 * 4 = 1, 0.75, 0.5625 + 1 = 1.5625; corrected by 1/4, 7/16, 37/64: 4, 12/7, 100/37
    # -0.1 * 2 / (2 + 0.5); -0.1 * 0.666667 / (1.309307 + 0.5); 0.1 * 0.857143 / (1.643990 + 0.5)
    (Adam(0.1, 0.5, 0.75, 0.5), (2.0, 0.0, -2.0), ADAM),
    # The corrected moments of a constant gradient are g and g^2: -0.001 * 2 / (2 + 1e-8).
    (Adam(), (2.0, 2.0, 2.0), (-0.000999999995, -0.000999999995, -0.000999999995)),
    # A step has the size of the learning rate whatever the gradient's: 0.001 * 1e-3 / (1e-3 +
    # 1e-8).
    (Adam(), (-1e-3, -1e-3, -1e-3), (0.00099999, 0.00099999, 0.00099999)),
    # the same means over the maxima 2 + 0.5; 1.25 > 0.5; 0.625 < 2.5
    (AdaMax(0.1, 0.5, 0.5, 0.5), (2.0, 0.0, -2.0), (-0.2 / 2.5, -0.2 / 3 / 1.25, 0.6 / 7 / 2.5)),
    # mu = 0.25 at all times; (4/15 * 1 + 2) / 2.5; 16/63 * 0.5 / 1.809307;
    # (64/255 * -0.75 + 16/21 * -2) / 2.143990
    (
        NAdam(0.1, 0.5, 0.75, 0.5, 0.0),
        (2.0, 0.0, -2.0),
        (-0.0906666667, -0.0070183834, 0.0798532138),
    ),
    # rho = 1, 1.857, 2.622: not more than 5, so the corrected mean alone
    (RAdam(0.1, 0.5, 0.75, 0.5), (2.0, 0.0, -2.0), (-0.2, -0.2 / 3, 0.6 / 7)),
    # signs of 1; 0.25 - 0.2; 0.1375 - 0.5
    (Lion(0.1, 0.5, 0.75), (2.0, -0.4, -1.0), (-0.1, -0.1, 0.1)),
    # z = -0.2, -0.2, 0.2; x = -0.2, -0.2, -0.2/3; y = (z + x) / 2
    (ScheduleFree(SGD(0.1), beta=0.5), (2.0, 0.0, -4.0), (-0.2, 0.0, 0.8 / 3)),
    # steps of z times 1/2, 1, 1: z = -0.1, -0.1, 0.3; c = 1, 4/5, 4/9: x = -0.1, -0.1, 0.7/9
    (
        ScheduleFree(SGD(0.1), beta=0.5, warmup_steps=2),
        (2.0, 0.0, -4.0),
        (-0.1, 0.0, (0.3 + 0.7 / 9) / 2 + 0.1),
    ),
    # roots of 4, 12/7, 100/37 as for Adam; z = -0.08, -0.08, -0.08 + 0.2 / 2.143990 = 0.01328406
    # x = -0.08, -0.08, -0.04890531; y = 0.1 z + 0.9 x
    (
        ScheduleFree(AdamW(0.1, 0.0, 0.75, 0.5, weight_decay=0.0)),
        (2.0, 0.0, -2.0),
        (-0.08, 0.0, 0.037313609),
    ),
]

# rule, gradients, updates of a weight that begins at 1: those of the bias, and 0.1 * decay * w less
FIRST_STEPS_WITH_DECAY = [
    # w = 1, 0.82, 0.70115349
    (
        AdamW(0.1, 0.5, 0.75, 0.5, weight_decay=1.0),
        (2.0, 0.0, -2.0),
        (-0.18, -0.11884651, -0.03013648),
        ADAM,
    ),
    # w = 1, 0.85, 0.7075
    (Lion(0.1, 0.5, 0.75, 0.5), (2.0, -0.4, -1.0), (-0.15, -0.1425, 0.064625), (-0.1, -0.1, 0.1)),
    # the third step makes the weight larger: it does not decay
    (
        Lion(0.1, 0.5, 0.75, 0.5, cautious=True),
        (2.0, -0.4, -1.0),
        (-0.15, -0.1425, 0.1),
        (-0.1, -0.1, 0.1),
    ),
    (
        AdamW(0.1, 0.5, 0.75, 0.5, weight_decay=1.0, cautious=True),
        (2.0, 0.0, -2.0),
        (-0.18, -0.11884651, 0.03997887),
        ADAM,
    ),
    # one epoch is one step: a quarter of the weight decays in each, w = 1, 0.65, 0.3875
    (
        Lion(0.1, 0.5, 0.75, decay_epochs=1 / math.log(4 / 3)),
        (2.0, -0.4, -1.0),
        (-0.35, -0.2625, 0.003125),
        (-0.1, -0.1, 0.1),
    ),
    # half of -0.2, 0, 0.4, and a quarter of 1, 0.65, 0.4875
    (
        Layerwise(SGD(0.1), {"coefs_": 0.5}, 1 / math.log(4 / 3)),
        (2.0, 0.0, -4.0),
        (-0.35, -0.1625, 0.078125),
        (-0.2, 0.0, 0.4),
    ),
    # the third step makes the weight larger
    (
        Layerwise(SGD(0.1), {"coefs_": 0.5}, 1 / math.log(4 / 3), cautious=True),
        (2.0, 0.0, -4.0),
        (-0.35, -0.1625, 0.2),
        (-0.2, 0.0, 0.4),
    ),
]


def expect(rule, gradients, of_weight, of_bias, dtype):
    updates, *_ = walk(rule, np.repeat(np.array(gradients)[:, None], 2, axis=1), [1.0, 1.0], dtype)
    assert updates.dtype == dtype
    expected = np.column_stack([of_weight, of_bias])
    np.testing.assert_allclose(updates, expected, rtol=2e-7 if dtype == np.float64 else 2e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kernel", ["installed", "fallback"])
@pytest.mark.parametrize(("rule", "gradients", "updates"), FIRST_STEPS, ids=str)
def test_first_three_steps_are_those_by_hand(rule, gradients, updates, kernel, dtype, request):
    if kernel == "fallback":
        request.getfixturevalue("fallback_kernels")
    expect(rule, gradients, updates, updates, dtype)
    mirrored = -np.array(updates)
    expect(rule, -np.array(gradients), mirrored, mirrored, dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kernel", ["installed", "fallback"])
@pytest.mark.parametrize(
    ("rule", "gradients", "of_weight", "of_bias"), FIRST_STEPS_WITH_DECAY, ids=str
)
def test_weights_decay_and_biases_do_not(
    rule, gradients, of_weight, of_bias, kernel, dtype, request
):
    if kernel == "fallback":
        request.getfixturevalue("fallback_kernels")
    expect(rule, gradients, of_weight, of_bias, dtype)


def test_a_rectified_step_by_hand():
    """RAdam from the step on which rho = 5.17 > 5: 1999 - 12 * 0.999^6 / (1 - 0.999^6)."""
    updates, *_ = walk(RAdam(0.1), np.ones((6, 2)), [0.0, 0.0])
    np.testing.assert_allclose(updates[:5], -0.1, rtol=1e-12)
    rho = 1999 - 12 * 0.999**6 / (1 - 0.999**6)
    assert 5 < rho < 6
    r = ((rho - 4) * (rho - 2) * 1999 / (1995 * 1997 * rho)) ** 0.5
    np.testing.assert_allclose(updates[5], -0.1 * r, rtol=1e-6)
