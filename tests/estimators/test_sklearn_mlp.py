"""scikit-learn's multilayer perceptrons, taken over and given back."""

import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers
from scipy.sparse import csr_matrix
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Every row of y:UserWarning",
    "ignore:A matrix of 0 and 1:UserWarning",
)
OURS = {MLPClassifier: BackpropMLPClassifier, MLPRegressor: BackpropMLPRegressor}

SETTINGS = [
    {},
    {"solver": "adam", "learning_rate_init": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6},
    {"solver": "sgd", "learning_rate_init": 0.1, "momentum": 0.5, "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate": "adaptive", "momentum": 0.0, "activation": "tanh"},
    {"solver": "sgd", "early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 3},
    {"solver": "lbfgs", "max_fun": 200, "activation": "logistic", "alpha": 0.1},
    {"batch_size": 16, "shuffle": False, "tol": 1e-3, "warm_start": True, "activation": "identity"},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": 3},
    {"hidden_layer_sizes": [5, 4]},
]


def sparse_multilabel():
    X, y = classes("multilabel")
    return X, csr_matrix(y)


def words():
    X, y = classes("multiclass")
    return X, np.array(["spring", "autumn", "winter"])[y]


DATA = {
    "binary": (MLPClassifier, lambda: classes("binary")),
    "multiclass": (MLPClassifier, lambda: classes("multiclass")),
    "words": (MLPClassifier, words),
    "multilabel": (MLPClassifier, lambda: classes("multilabel")),
    "sparse multilabel": (MLPClassifier, sparse_multilabel),
    "numbers": (MLPRegressor, numbers),
    "two columns": (MLPRegressor, lambda: (numbers()[0], np.c_[numbers()[1], numbers()[1] ** 2])),
}


def theirs(kind, seed=0, **setting):
    return kind(**{"hidden_layer_sizes": (6,), "max_iter": 8, "random_state": seed} | setting)


def outputs(model, X):
    return model.predict_proba(X) if is_classifier(model) else model.predict(X)


def assert_same_predictions(one, other, X, rtol=1e-10):
    np.testing.assert_allclose(outputs(one, X), outputs(other, X), rtol=rtol, atol=1e-12)
    predictions = [model.predict(X) for model in (one, other)]
    if hasattr(predictions[0], "toarray"):
        predictions = [each.toarray() for each in predictions]
    if is_classifier(one):
        np.testing.assert_array_equal(*predictions)
        assert predictions[0].dtype == predictions[1].dtype


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", OURS)
def test_there_and_back_again(kind, setting):
    X, y = classes("multiclass") if kind is MLPClassifier else numbers()
    mlp = theirs(kind, **setting)
    assert OURS[kind].from_sklearn(mlp).to_sklearn().get_params() == mlp.get_params()
    mlp.fit(X, y)
    ours = OURS[kind].from_sklearn(mlp)
    back = ours.to_sklearn()
    assert_same_predictions(ours, mlp, X)
    assert_same_predictions(back, mlp, X, rtol=0)
    assert back.get_params() == mlp.get_params()
    for name in ("n_iter_", "t_", "loss_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(ours, name) == pytest.approx(getattr(mlp, name)) or isinstance(
            getattr(mlp, name), str
        ), name
        assert getattr(back, name) == getattr(mlp, name), name
    if mlp.solver != "lbfgs":
        assert ours.loss_curve_ == back.loss_curve_ == mlp.loss_curve_
        assert back.best_loss_ == mlp.best_loss_
        assert ours.validation_scores_ == back.validation_scores_ == mlp.validation_scores_


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", DATA)
def test_predictions_are_those_of_scikit_learn_for_every_kind_of_y(name, seed):
    kind, data = DATA[name]
    X, y = data()
    mlp = theirs(kind, seed).fit(X, y)
    ours = OURS[kind].from_sklearn(mlp)
    back = ours.to_sklearn()
    assert_same_predictions(ours, mlp, X)
    assert_same_predictions(back, mlp, X, rtol=0)
    assert ours.score(X, y) == pytest.approx(mlp.score(X, y))
    for one in (ours, back):
        assert_same_predictions(pickle.loads(pickle.dumps(one)), mlp, X)
    for given in (mlp, ours):  # nothing is shared
        given.coefs_[0][...] = 0
    assert np.any(back.coefs_[0])
    assert back.n_features_in_ == X.shape[1]


@pytest.mark.parametrize("name", [name for name in DATA if name != "sparse multilabel"])
def test_what_is_fitted_here_predicts_the_same_there(name):
    kind, data = DATA[name]
    X, y = data()
    ours = OURS[kind]((6,), "tanh", max_iter=20, random_state=3).fit(X, y)
    assert_same_predictions(ours.to_sklearn(), ours, X)
    assert_same_predictions(ours.compact().to_sklearn(), ours, X)


def test_float32_and_names_of_features_are_kept():
    pd = pytest.importorskip("pandas")
    X, y = classes("binary")
    frame = pd.DataFrame(X, columns=[f"x{n}" for n in range(X.shape[1])])
    mlp = theirs(MLPClassifier).fit(frame, y)
    ours = BackpropMLPClassifier.from_sklearn(mlp)
    assert list(ours.feature_names_in_) == list(ours.to_sklearn().feature_names_in_)
    assert_same_predictions(ours, mlp, frame)
    mlp = theirs(MLPClassifier).fit(X.astype(np.float32), y)
    ours = BackpropMLPClassifier.from_sklearn(mlp)
    assert ours.params_.dtype == np.float32
    assert_same_predictions(ours, mlp, X.astype(np.float32), rtol=1e-5)


def test_a_poisson_regressor_has_exponential_outputs():
    X, y = numbers()
    y = np.round(np.exp((y - y.mean()) / y.std()))
    mlp = theirs(MLPRegressor, loss="poisson").fit(X, y)
    ours = BackpropMLPRegressor.from_sklearn(mlp)
    assert ours.loss == "poisson"
    assert_same_predictions(ours, mlp, X)
    assert_same_predictions(ours.to_sklearn(), mlp, X, rtol=0)


@pytest.mark.parametrize("rule", ["sgd", SGD(0.05, 0.9), SGD(0.05, 0.9, nesterov=True)], ids=str)
def test_training_goes_on_alike_in_both_libraries(rule):
    """From the same weights, with a fresh velocity, without momentum the same steps."""
    X, y = classes("multiclass")
    ours = BackpropMLPClassifier((6,), update_rule=rule, shuffle=False, max_iter=3, random_state=0)
    mlp = ours.fit(X, y).to_sklearn()
    taken_over = BackpropMLPClassifier.from_sklearn(mlp)
    for _ in range(3):
        mlp.partial_fit(X, y)
        taken_over.partial_fit(X, y)
    assert taken_over.n_iter_ == 6
    assert taken_over.t_ == 6 * len(X)
    np.testing.assert_allclose(taken_over.params_, _flat(mlp), rtol=1e-8)


def _flat(mlp):
    return np.concatenate([array.ravel() for array in (*mlp.coefs_, *mlp.intercepts_)])


def test_what_was_taken_over_can_be_trained_with_other_parameters():
    X, y = classes("multiclass")
    mlp = theirs(MLPClassifier).fit(X, y)
    ours = BackpropMLPClassifier.from_sklearn(mlp).set_params(update_rule="lion", warm_start=True)
    before = ours.params_.copy()
    assert ours.fit(X, y).n_iter_ > mlp.n_iter_
    assert not np.array_equal(ours.params_, before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (MLPRegressor(), "BackpropMLPClassifier.from_sklearn takes an MLPClassifier"),
        (MLPClassifier, "Pass an object: add parentheses"),
        (BackpropMLPClassifier(), "takes an MLPClassifier of scikit-learn"),
        (None, "got None"),
    ],
)
def test_another_object_is_an_error(given, message):
    with pytest.raises(TypeError, match=message):
        BackpropMLPClassifier.from_sklearn(given)


def test_invalid_parameters_are_the_error_of_scikit_learn():
    with pytest.raises(InvalidParameterError, match="'solver' parameter of MLPClassifier"):
        BackpropMLPClassifier.from_sklearn(MLPClassifier(solver="adamw"))


def test_rates_without_counterpart_are_a_warning():
    mlp = theirs(MLPClassifier, solver="sgd", learning_rate="invscaling", power_t=0.3)
    with pytest.warns(UserWarning, match=r"learning_rate='invscaling' with power_t=0.3 becomes"):
        ours = BackpropMLPClassifier.from_sklearn(mlp)
    assert ours.update_rule.schedule == "invscaling"


TRAINING = [
    {"dropout": 0.1},
    {"label_smoothing": 0.1},
    {"class_weight": "balanced"},
    {"input_noise": 0.1},
    {"input_gradient_penalty": 0.1},
    {"init": "he_normal"},
    {"init_output_bias": "targets"},
    {"calibration": 2.0},
    {"batch_size": "full"},
    {"update_rule": "lion"},
    {"update_rule": Adam(schedule="cosine")},
    {"update_rule": SGD(schedule="invscaling")},
    {"update_rule": LBFGS(memory=3)},
    {"update_rule": Clipped(Adam(), max_norm=1.0)},
    {"loss": "squared_error"},
]
NETWORK = [
    {"activation": "gelu"},
    {"hidden_layer_sizes": (3, 3), "activation": ["tanh", "relu"]},
    {"parametric_activation": True},
    {"scaling_layer": True},
    {"numeric_embedding": "periodic"},
    {"n_members": 2},
]


def name_and_value(setting):
    ((name, value),) = [item for item in setting.items() if item[0] != "hidden_layer_sizes"]
    return f"{name}={value!r}"


@pytest.mark.parametrize("setting", TRAINING, ids=str)
def test_parameters_of_the_training_without_counterpart_are_named(setting):
    X, y = classes("binary")
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=0).set_params(**setting)
    name = next(iter(setting))
    with pytest.raises(ValueError, match=f"has no counterpart of {name}=.*Set other values"):
        model.to_sklearn()
    with pytest.raises(NotFittedError):
        model.to_sklearn(predictions_only=True)
    model.fit(X, y)
    with pytest.raises(ValueError, match=rf"{name}=.*to_sklearn\(predictions_only=True\)"):
        model.to_sklearn()
    assert_same_predictions(model.to_sklearn(predictions_only=True), model, X)


@pytest.mark.parametrize("setting", NETWORK, ids=str)
def test_networks_that_scikit_learn_cannot_compute_are_an_error(setting):
    X, y = classes("binary")
    model = BackpropMLPClassifier(**{"hidden_layer_sizes": (4,), "max_iter": 3} | setting)
    for one in (model, model.fit(X, y)):
        for only in (False, True):
            if one.__sklearn_is_fitted__() or not only:
                with pytest.raises(ValueError, match="cannot compute") as raised:
                    one.to_sklearn(predictions_only=only)
                assert name_and_value(setting) in str(raised.value)
                assert "sklearn_metabp.onnx" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        ("binary", {"out_activation": "softmax"}),
        ("multiclass", {"loss": "squared_error"}),
        ("multiclass", {"loss": "squared_error", "out_activation": "tanh"}),
    ],
)
def test_outputs_that_scikit_learn_does_not_have_are_an_error(kind, setting):
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=0, **setting).fit(*classes(kind))
    with pytest.raises(ValueError, match="out_activation_="):
        model.to_sklearn(predictions_only=True)


def test_several_columns_of_classes_are_an_error():
    X, y = classes("multiclass")
    model = BackpropMLPClassifier((4,), max_iter=3, random_state=0).fit(X, np.c_[y, 2 - y])
    with pytest.raises(ValueError, match="several columns of classes"):
        model.to_sklearn()


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_losses_of_regressors_matter_for_the_training_alone(loss):
    X, y = numbers()
    model = BackpropMLPRegressor((4,), loss=loss, max_iter=5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=f"no counterpart of loss='{loss}'"):
        model.to_sklearn()
    assert_same_predictions(model.to_sklearn(predictions_only=True), model, X)
    model.set_params(out_activation="logistic").fit(X, (y - y.min()) / np.ptp(y))
    with pytest.raises(ValueError, match="out_activation_='logistic'"):
        model.to_sklearn(predictions_only=True)
