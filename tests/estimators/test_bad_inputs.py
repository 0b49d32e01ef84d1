"""Bad inputs and their error messages, as a table."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from helpers.data import classes, numbers
from helpers.rules import FunctionRule
from sklearn.exceptions import NotFittedError

from sklearn_metabp import (
    SGD,
    Adam,
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    DivergenceError,
    LearnedUpdateRule,
    LinearBackprop,
    TraceRecorder,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = classes("multiclass", n=40)
XR, YR = numbers(n=40)
SEVERAL = classes("multilabel", n=40)[1]  # labels of a row
ONE_HOT = np.eye(3, dtype=int)[Y]
WITH_NAN = np.where(np.arange(160).reshape(40, 4) == 7, np.nan, X)
COUNTS = np.random.default_rng(0).poisson(3, 40).astype(float)


class Raising:
    """A callback that raises in a hook."""

    def __init__(self, hook):
        self.hook = hook

    def __getattr__(self, name):
        if name in (
            "setup",
            "teardown",
            "on_fit_task_begin",
            "on_fit_task_end",
            "on_step_end",
            "on_epoch_end",
        ):
            return self._called_from(name)
        raise AttributeError(name)

    def _called_from(self, name):
        def call(estimator, context, *more):
            if name == object.__getattribute__(self, "hook"):
                raise RuntimeError(f"the callback's own error in {name}")

        return call


def fit(
    X=X, y=Y, weight=None, /, *, kind=BackpropMLPClassifier, callbacks=(), given=None, **parameters
):
    model = kind(**({"max_iter": 2, "random_state": 0, "hidden_layer_sizes": (5,)} | parameters))
    return model.set_callbacks(*callbacks).fit(X, y, weight, **(given or {}))


def fit_numbers(X=XR, y=YR, weight=None, /, **parameters):
    return fit(X, y, weight, kind=BackpropMLPRegressor, **parameters)


# What is done, the error, what it says.
PARAMETERS = [
    (lambda: fit(hidden_layer_sizes=(5.0,)), ValueError, r"got 5\.0 at position 0"),
    (lambda: fit(hidden_layer_sizes=(5, 0)), ValueError, r"got 0 at position 1"),
    (lambda: fit(hidden_layer_sizes=-3), ValueError, r"hidden_layer_sizes"),
    (lambda: fit(hidden_layer_sizes=(True,)), ValueError, r"got True at position 0"),
    (lambda: fit(hidden_layer_sizes="100"), ValueError, r"hidden_layer_sizes"),
    (lambda: fit(activation="swish"), ValueError, r"'activation' parameter .*'silu'"),
    (
        lambda: fit(activation=["relu", "tanh"]),
        ValueError,
        r"one of them for each of the 1 hidden layers",
    ),
    (lambda: fit(activation=["sine"]), ValueError, r"activation must be one of"),
    (lambda: fit(loss="hinge"), ValueError, r"'loss' parameter"),
    (lambda: fit_numbers(loss="log_loss"), ValueError, r"'loss' parameter .*'poisson'"),
    (lambda: fit(out_activation="tanh"), ValueError, r"loss='log_loss' needs probabilities"),
    (lambda: fit(out_activation="exp"), ValueError, r"'out_activation' parameter"),
    (lambda: fit_numbers(out_activation="softmax"), ValueError, r"makes a single output 1"),
    (
        lambda: fit_numbers(XR, COUNTS, loss="poisson", out_activation="identity"),
        ValueError,
        r"must be 'auto' or 'exp'",
    ),
    (lambda: fit(alpha=-1), ValueError, r"'alpha' parameter"),
    (lambda: fit(batch_size=0), ValueError, r"'batch_size' parameter"),
    (lambda: fit(batch_size=2.5), ValueError, r"'batch_size' parameter"),
    (lambda: fit(max_iter=0), ValueError, r"'max_iter' parameter"),
    (lambda: fit(tol=-1e-3), ValueError, r"'tol' parameter"),
    (lambda: fit(n_iter_no_change=0), ValueError, r"'n_iter_no_change' parameter"),
    (lambda: fit(dropout=1.0), ValueError, r"'dropout' parameter"),
    (
        lambda: fit(dropout=0.5, update_rule="lbfgs"),
        ValueError,
        r"while LBFGS searches for its minimum",
    ),
    (lambda: fit(validation_fraction=0.0), ValueError, r"'validation_fraction' parameter"),
    (
        lambda: fit(validation_fraction=0.01, early_stopping=True),
        ValueError,
        r"validation_fraction=0.01 of 40",
    ),
    (
        lambda: fit(scoring="accurate", early_stopping=True),
        ValueError,
        r"'accurate' is not a valid scoring",
    ),
    (lambda: fit(init="zeros"), ValueError, r"'init' parameter"),
    (
        lambda: fit(init=lambda layout, activations, rng: np.zeros(3)),
        ValueError,
        r"must return a vector of shape \(43,\)",
    ),
    (
        lambda: fit(init=lambda layout, activations, rng: np.full(43, np.inf)),
        ValueError,
        r"A start must be finite: init",
    ),
    (lambda: fit(class_weight="even"), ValueError, r"'class_weight' parameter"),
    (lambda: fit(random_state="seed"), ValueError, r"'random_state' parameter"),
]
RULES = [
    (lambda: fit(update_rule="adamant"), ValueError, r"update_rule must be one of"),
    (lambda: fit(update_rule=Adam), TypeError, r"Pass an instance: add parentheses"),
    (lambda: fit(update_rule=None), TypeError, r"update_rule must be one of"),
    (lambda: fit(update_rule=SGD(-1)), ValueError, r"'learning_rate' parameter of SGD"),
    (lambda: fit(update_rule=SGD(0.1, nesterov=True)), ValueError, r"needs momentum > 0"),
    (lambda: fit(update_rule=SGD(0.1, schedule="linear")), ValueError, r"schedule"),
    (lambda: fit(update_rule=SGD(0.1, schedule=lambda t, n: -1.0)), ValueError, r"schedule"),
    (lambda: fit(update_rule=Averaged("adam", decay=2)), ValueError, r"'decay' parameter"),
    (lambda: fit(update_rule=Clipped("lbfgs")), (TypeError, ValueError), r"LBFGS"),
    (lambda: fit(update_rule=LinearBackprop("sgd"), dropout=0.2), ValueError, r"set dropout=0"),
    (lambda: fit(update_rule=Clipped(LinearBackprop()), dropout=0.2), ValueError, r"set dropout=0"),
    (
        lambda: fit(update_rule=LearnedUpdateRule()),
        NotFittedError,
        r"call its fit with a trace first",
    ),
    (
        lambda: fit(update_rule=FunctionRule(lambda step: step.gradients * np.nan)),
        DivergenceError,
        r"NaN or infinity",
    ),
    (
        lambda: fit(update_rule=FunctionRule(lambda step: np.zeros(3))),
        ValueError,
        r"got shape \(3,\)",
    ),
    (
        lambda: fit(update_rule=FunctionRule(lambda step: None)),
        ValueError,
        r"returned None and must return the update",
    ),
    (
        lambda: fit(update_rule=FunctionRule(lambda step: step.gradients.astype(np.float32))),
        ValueError,
        r"got shape \(43,\), dtype float32",
    ),
    (
        lambda: fit(update_rule=SGD(1e300), hidden_layer_sizes=(5, 5)),
        DivergenceError,
        r"epoch 2, step 2, .* smaller learning",
    ),
    (
        lambda: BackpropMLPClassifier(update_rule="lbfgs").partial_fit(X, Y),
        AttributeError,
        r"partial_fit",
    ),
]
DATA = [
    (lambda: fit(WITH_NAN), ValueError, r"Input X contains NaN"),
    (
        lambda: fit(np.where(np.isnan(WITH_NAN), np.inf, X)),
        ValueError,
        r"Input X contains infinity",
    ),
    (lambda: fit(sp.csr_array(WITH_NAN)), ValueError, r"Input X contains NaN"),
    (lambda: fit(X[:, 0]), ValueError, r"Expected 2D array, got 1D array"),
    (lambda: fit(X[:0], Y[:0]), ValueError, r"0 sample"),
    (lambda: fit(X[:, :0]), ValueError, r"0 feature"),
    (lambda: fit(X[:30]), ValueError, r"inconsistent numbers of samples"),
    (lambda: fit([["a", "b"]] * 40), ValueError, r"could not convert string"),
    (lambda: fit(X + 1j), ValueError, r"Complex data not supported"),
    (
        lambda: fit(np.sign(X) * 1e308, update_rule=SGD(0.1)),
        DivergenceError,
        r"scale X \(StandardScaler\)",
    ),
    (
        lambda: fit().predict(X[:, :3]),
        ValueError,
        r"3 features, but BackpropMLPClassifier is expecting 4",
    ),
    (lambda: BackpropMLPClassifier().predict(X), NotFittedError, r"not fitted yet"),
    (lambda: fit(given={"X_val": X}), ValueError, r"X_val and y_val go together"),
    (lambda: fit(given={"X_val": X[:, :2], "y_val": Y}), ValueError, r"2 features"),
    (
        lambda: fit(given={"X_val": X, "y_val": Y + 5}),
        ValueError,
        r"classes not in `self.classes_`",
    ),
    (lambda: fit(given={"coef_init": [np.zeros((4, 5))]}), ValueError, r"must have the shapes"),
    (
        lambda: fit(given={"intercept_init": [np.full(5, np.nan), np.zeros(3)]}),
        ValueError,
        r"A start must be finite",
    ),
]
LABELS = [
    (lambda: fit(X, YR), ValueError, r"Unknown label type: continuous"),
    (lambda: fit(X, np.where(Y == 0, np.nan, Y)), ValueError, r"Input y contains NaN"),
    (lambda: fit(X, [[1], [1, 2]] * 20), ValueError, r"inhomogeneous|sequence"),
    (lambda: fit(X, None), ValueError, r"requires y to be passed, but the target y is None"),
    (lambda: fit_numbers(XR, np.where(YR > 0, np.inf, YR)), ValueError, r"y contains infinity"),
    (lambda: fit_numbers(XR, ["a"] * 40), ValueError, r"could not convert string"),
    (
        lambda: fit_numbers(XR, sp.csr_array(np.c_[YR, YR])),
        ValueError,
        r"y is sparse, .* pass y\.toarray\(\)",
    ),
    (lambda: fit_numbers(XR.astype(np.float32), YR * 1e300), ValueError, r"too large for float32"),
    (
        lambda: fit_numbers(XR, YR - 5, loss="poisson"),
        ValueError,
        r"y must not be negative, its lowest value",
    ),
    (lambda: fit(X, SEVERAL, out_activation="softmax"), ValueError, r"y is multilabel"),
    (lambda: fit(X, ONE_HOT, out_activation="softmax"), ValueError, r"pass y\.argmax\(axis=1\)"),
    (
        lambda: BackpropMLPClassifier().partial_fit(X, Y),
        ValueError,
        r"classes must be passed on the first call",
    ),
    (
        lambda: BackpropMLPClassifier().partial_fit(X, Y, classes=[0, 1]),
        ValueError,
        r"classes not in",
    ),
    (
        lambda: BackpropMLPClassifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2]),
        ValueError,
        r"compute_class_weight",
    ),
    *(
        (
            lambda y=y, y_val=y_val: fit(X, y, given={"X_val": X, "y_val": y_val}),
            ValueError,
            message,
        )
        for y, y_val, message in [
            (
                Y,
                np.c_[Y, Y],
                r"^y_val must have as many columns as y: .* \(40,\), y_val has \(40, 2\)\.$",
            ),
            (Y, YR, r"^`y_val` has classes not in `self.classes_`: .{1,200} more\]. .{1,60}$"),
            (SEVERAL, Y, r"^y_val must have as many columns as y"),
            (SEVERAL, SEVERAL * 2, r"^y_val must be 0 and 1 alone"),
            (Y, Y.astype(str), r"^`y_val` has classes not in `self.classes_`: \['0', '1', '2'\]"),
            (
                np.c_[Y, Y],
                np.c_[Y, Y + 1],
                r"^`y_val\[:, 1\]` has classes not in `self.classes_`: \[3\]",
            ),
        ]
    ),
    (
        lambda: fit_numbers(XR, YR, given={"X_val": XR, "y_val": np.c_[YR, YR]}),
        ValueError,
        r"^y_val must have as many columns as y: y has shape \(40,\), y_val has \(40, 2\)\.$",
    ),
    (
        lambda: fit().partial_fit(X, np.c_[Y, Y]),
        ValueError,
        r"^y must have one class per row, as before; got",
    ),
    (
        lambda: fit(X, SEVERAL).partial_fit(X, Y),
        ValueError,
        r"^y must have 3 columns of 0 and 1, one per label, as before; got shape \(40,\)",
    ),
    (
        lambda: BackpropMLPClassifier().partial_fit(X, SEVERAL, classes=[0, 1]),
        ValueError,
        r"classes of multilabel y are the numbers of its 3 columns",
    ),
    (
        lambda: BackpropMLPClassifier().partial_fit(X, Y, classes=[[0, 1, 2]]),
        ValueError,
        r"y has one column: classes must be one array",
    ),
    (
        lambda: fit(X, np.array([["a", 1], [2, 1]] * 20, dtype=object)),
        ValueError,
        r"y\[:, 0\] has labels of several types",
    ),
    (
        lambda: fit(warm_start=True).set_params(loss="squared_error").fit(X, Y),
        ValueError,
        r"which are 'softmax', .* now need 'logistic'. Set warm_start=False",
    ),
    (
        lambda: fit_numbers(warm_start=True).set_params(out_activation="tanh").fit(XR, YR),
        ValueError,
        r"which are 'identity', .* now need 'tanh'. Set warm_start=False",
    ),
    (
        lambda: (
            fit_numbers(XR, YR, out_activation="exp")
            .set_params(loss="poisson")
            .partial_fit(XR, YR - 5)
        ),
        ValueError,
        r"y must not be negative, its lowest value",
    ),
    (lambda: fit(warm_start=True).fit(X, np.where(Y == 1, 9, Y)), ValueError, r"classes not in"),
    (
        lambda: fit(warm_start=True).set_params(hidden_layer_sizes=(6,)).fit(X, Y),
        ValueError,
        r"\(4, 5, 3\).*\(4, 6, 3\)",
    ),
]
WEIGHTS = [
    (lambda: fit(X, Y, np.zeros(40)), ValueError, r"must contain at least one non-zero number"),
    (
        lambda: fit(X, Y, -np.ones(40)),
        ValueError,
        r"Negative values in data passed to `sample_weight`",
    ),
    (
        lambda: fit(X, Y, np.ones(39)),
        ValueError,
        r"sample_weight.shape == \(39,\), expected \(40,\)",
    ),
    (lambda: fit(X, Y, np.full(40, np.nan)), ValueError, r"sample_weight contains NaN"),
    (lambda: fit(X, Y, np.ones((40, 2))), ValueError, r"Sample weights must be 1D"),
    (
        lambda: fit(X, Y, np.full(40, 1e308)),
        ValueError,
        r"^sample_weight: .* add up to more than float64",
    ),
    (
        lambda: fit(X.astype(np.float32), Y, np.full(40, 1e38)),
        ValueError,
        r"more than float32 holds",
    ),
    (
        lambda: fit(X, Y, np.full(40, 1e200), class_weight={0: 1e200}),
        ValueError,
        r"^class_weight and sample_weight: .* more than float64",
    ),
    (lambda: fit(class_weight={0: -1}), ValueError, r"class_weight must .* that of class 0 is -1"),
    (lambda: fit(class_weight={0: np.nan}), ValueError, r"class_weight must .* class 0 is nan"),
    (lambda: fit(class_weight={1: np.inf}), ValueError, r"class_weight must .* class 1 is inf"),
    (lambda: fit(class_weight={1: "2"}), ValueError, r"class_weight must .* class 1 is '2'"),
    (
        lambda: fit(class_weight={0: 0, 1: 0, 2: 0}),
        ValueError,
        r"^class_weight: no training row has",
    ),
    (
        lambda: fit(X.astype(np.float32), Y, class_weight={0: 1e39}),
        ValueError,
        r"^class_weight: .* more than float32",
    ),
    (lambda: fit(class_weight=[{0: 1}]), ValueError, r"class_weight must be a dict or 'balanced'"),
    (
        lambda: fit(X, np.c_[Y, Y], class_weight={0: 1}),
        ValueError,
        r"a list of 2 dicts, one per column",
    ),
]
CALLBACKS = [
    (lambda hook=hook: fit(callbacks=[Raising(hook)]), RuntimeError, rf"own error in {hook}")
    for hook in ("setup", "on_fit_task_begin", "on_step_end", "on_epoch_end", "on_fit_task_end")
] + [
    (lambda: fit(callbacks=[object()]), TypeError, r"callback"),
    (lambda: fit(callbacks=[TraceRecorder(["nothing"])]), ValueError, r"nothing"),
]
TABLE = [*PARAMETERS, *RULES, *DATA, *LABELS, *WEIGHTS, *CALLBACKS]


def test_there_are_more_than_sixty():
    assert len(TABLE) >= 60


@pytest.mark.parametrize(("do", "error", "message"), TABLE, ids=range(len(TABLE)))
def test_a_bad_input_is_a_clear_error(do, error, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(error, match=message):
            do()


# What is unusual and has a result that is documented.
def test_one_class_alone_is_always_predicted():
    model = fit(X, np.full(40, 7))
    assert (model.predict(X) == 7).all()
    assert model.predict_proba(X).tolist() == [[1.0]] * 40


def test_a_batch_larger_than_the_data_is_all_of_it():
    with pytest.warns(UserWarning, match="batch_size=50 is larger than the 40 samples"):
        model = fit(batch_size=50)
    np.testing.assert_array_equal(model.params_, fit(batch_size="full").params_)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    model = fit()
    before = model.params_.copy()
    with pytest.raises(ValueError, match="NaN"):
        model.fit(WITH_NAN[:, 1:], Y)
    np.testing.assert_array_equal(model.params_, before)
    assert model.n_features_in_ == 4
