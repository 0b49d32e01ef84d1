"""A fitted learner, turned into one MLP, against its predict."""

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from sklearn_metabp import BackpropMLPRegressor
from sklearn_metabp._kernels.functions import ACTIVATIONS
from sklearn_metabp.learned.mlp import as_mlp

OURS = BackpropMLPRegressor((5, 3), "tanh", max_iter=30, n_iter_no_change=np.inf, random_state=0)
THEIRS = MLPRegressor(
    hidden_layer_sizes=(6,), activation="logistic", tol=0.01, max_iter=1000, random_state=0
)
MLPS = {
    "ours": OURS,
    "ours, no hidden layer": BackpropMLPRegressor(
        (), max_iter=30, n_iter_no_change=np.inf, random_state=0
    ),
    "ours, tanh outputs": BackpropMLPRegressor(
        (4,), out_activation="tanh", max_iter=30, n_iter_no_change=np.inf, random_state=0
    ),
    "theirs": THEIRS,
    "theirs, exp outputs": MLPRegressor("poisson", (3,), tol=0.01, max_iter=1000, random_state=0),
    "scaled": make_pipeline(StandardScaler(), OURS),
    "twice scaled": make_pipeline(
        MinMaxScaler((-1, 2)), RobustScaler(), MaxAbsScaler(), "passthrough", OURS
    ),
    "rotated": make_pipeline(PCA(3, whiten=True, random_state=0), OURS),
    "scaled target": TransformedTargetRegressor(
        make_pipeline(StandardScaler(), OURS), transformer=StandardScaler()
    ),
    "scaled target, logistic outputs": TransformedTargetRegressor(
        BackpropMLPRegressor((4,), "logistic", out_activation="logistic", tol=0.01, random_state=0),
        transformer=MinMaxScaler(),
    ),
    "scaled target, logistic outputs, no hidden layer": TransformedTargetRegressor(
        BackpropMLPRegressor((), out_activation="logistic", tol=0.01, random_state=0),
        transformer=MinMaxScaler(),
    ),
    "scaled inside and out": make_pipeline(
        StandardScaler(), TransformedTargetRegressor(THEIRS, transformer=MinMaxScaler())
    ),
}
OTHERS = {
    "linear": Ridge(),
    "clipped": make_pipeline(MinMaxScaler(clip=True), OURS),
    "bent": make_pipeline(FunctionTransformer(np.tanh), OURS),
    "powers": make_pipeline(PolynomialFeatures(), OURS),
    "bent target": TransformedTargetRegressor(OURS, func=np.arcsinh, inverse_func=np.sinh),
    "scaled target, outputs bent otherwise": TransformedTargetRegressor(
        BackpropMLPRegressor((4,), "tanh", out_activation="logistic", tol=0.01, random_state=0),
        transformer=MinMaxScaler(),
    ),
    "scaled target, exp outputs": TransformedTargetRegressor(
        BackpropMLPRegressor((), loss="poisson", max_iter=9, n_iter_no_change=np.inf),
        transformer=MinMaxScaler(),
    ),
}


def data(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((80, 4)) * [1, 10, 0.1, 3] + [0, 5, 1, -2]
    return X, np.abs(np.tanh(X @ rng.standard_normal(4)) + 2)


@pytest.mark.parametrize("name", MLPS)
def test_the_mlp_predicts_as_the_learner(name):
    X, y = data(len(name))
    learner = MLPS[name].fit(X, y)
    mlp = as_mlp(learner)
    x = X
    weights, biases = mlp.layout.coefs(mlp.params), mlp.layout.intercepts(mlp.params)
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True), start=1):
        x = ACTIVATIONS[mlp.hidden if layer < len(weights) else mlp.output].function(x @ w + b)
    np.testing.assert_allclose(x[:, 0], learner.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few epochs
def test_other_learners_are_left_to_their_predict(name):
    assert as_mlp(OTHERS[name].fit(*data(len(name)))) is None
