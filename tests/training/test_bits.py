"""A training has the same bits on every processor with a fused multiply-add."""

import hashlib

import numpy as np
import pytest

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp._kernels.network import (
    COMPILED,
    Backprop,
    instruction_set,
    instruction_sets,
    use_instruction_set,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# First digits of a hash of the weights and the loss curve, from a processor with AVX2 alone. They
# change when the order of a sum or a polynomial changes, which is no fault by itself: run the tests
# on two processors then.
CASES = {
    ("classifier", "relu", "adam", "float64"): "b5b1920cd8c85982",
    ("classifier", "relu", "adam", "float32"): "28d03906ccdda2bc",
    ("classifier", "tanh", "rprop", "float64"): "7cbdd5a3a91e3556",
    ("classifier", "gelu", "adamw", "float32"): "042c2ea04a0408d8",
    ("regressor", "silu", "adam", "float64"): "3f9180d4259e5c87",
    ("regressor", "logistic", "rmsprop", "float32"): "a3ec33dafec699c6",
    ("regressor", "elu", "nadam", "float64"): "1bc76b84dcb167c2",
    ("regressor", "softplus", "lion", "float32"): "a7e0c41fc83b0bfa",
}


def digest(kind, activation, rule, dtype):
    """Return a hash of a training on numbers that every machine computes exactly."""
    rng = np.random.RandomState(7)
    X = (rng.randint(-64, 64, (90, 13)) / 32).astype(dtype)
    Estimator = BackpropMLPClassifier if kind == "classifier" else BackpropMLPRegressor
    y = X[:, :5].argmax(axis=1) if kind == "classifier" else X[:, 0] * X[:, 1]
    model = Estimator(
        (37, 18), activation=activation, update_rule=rule, batch_size=32, max_iter=20,
        alpha=0.01, dropout=0.25, random_state=3,
    ).fit(X, y)  # fmt: skip
    found = hashlib.sha256()
    for array in (*model.coefs_, *model.intercepts_, np.array(model.loss_curve_)):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize("name", [name for name in instruction_sets() if name != "blas"])
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_the_bits_are_those_of_another_processor(name, case):
    before = instruction_set()
    use_instruction_set(name)
    try:
        assert digest(*case) == CASES[case]
    finally:
        use_instruction_set(before)


@pytest.mark.skipif(not COMPILED, reason="the fallback takes the logarithm of a library")
@pytest.mark.parametrize(
    ("dtype", "expected"), [("float64", "990b80259fe0b3c2"), ("float32", "5793832c9718bcab")]
)
def test_noise_has_the_bits_of_another_processor(dtype, expected):
    X = np.zeros((60, 301), dtype)
    params = np.zeros(302, dtype)
    backprop = Backprop(
        (301, 1), (), "identity", "squared_error", params, params.copy(), max_batch=60,
        input_noise=0.5, noise_key=2**40 + 7,
    )  # fmt: skip
    backprop.load(X, X[:, :1].copy())
    backprop.gradients(0, 60)
    found = hashlib.sha256(np.ascontiguousarray(backprop.activations[0]).tobytes())
    assert found.hexdigest()[:16] == expected


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match=r"instruction set 'sse': there is .*blas"):
        use_instruction_set("sse")
