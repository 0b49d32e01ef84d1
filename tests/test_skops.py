"""Models saved by skops: same predictions, same bits in further training, few trusted types."""

import inspect
import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers
from helpers.tables import labels_of, make_table, quick_classifier, quick_regressor
from scipy.sparse import csr_array
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import (
    SGD,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    LearnedUpdateRule,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    RobustSmoothClipper,
    TabularMLPClassifier,
    TabularMLPRegressor,
    TraceRecorder,
    update_rules,
)
from sklearn_metabp.learned.scopes import LayerScope
from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.skops import TRUSTED_TYPES

skops_io = pytest.importorskip("skops.io")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SHORT = {"max_iter": 3, "n_iter_no_change": np.inf, "random_state": 0}
X, Y = classes("multiclass")
COLUMNS = np.column_stack([np.array(["a", "b", "c"])[Y], np.where(Y == 1, "p", "q")])
LABELS = {kind: classes(kind)[1] for kind in ("binary", "multilabel", "strings")}


REQUIRED = {"rule": SGD(), "max_norm": 1.0}


def an_instance(kind):
    """A rule with its defaults, and with values for the parameters that have none."""
    parameters = inspect.signature(kind).parameters.values()
    return kind(**{p.name: REQUIRED[p.name] for p in parameters if p.default is p.empty})


RULE_TYPES = [
    kind
    for kind in (getattr(update_rules, name) for name in update_rules.__all__)
    if isinstance(kind, type)
    and issubclass(kind, update_rules.TrainingRule)
    and not inspect.isabstract(kind)
]


def classifier(**params):
    return BackpropMLPClassifier((4,), **{**SHORT, **params})


def learned(scope, learner=None):
    recorder = TraceRecorder(
        [
            "params",
            "activations",
            "net_inputs",
            "derivatives",
            "deltas",
            "targets",
            "outputs",
        ]
        + ["gradients", "updates"]
    )
    classifier(update_rule=SGD(0.1), batch_size=20).set_callbacks(recorder).fit(X, Y)
    learner = BackpropMLPRegressor((3,), **SHORT) if learner is None else learner
    return LearnedUpdateRule(learner, scope=scope, random_state=0).fit(recorder.trace_)


@pytest.fixture(scope="module")
def models():
    """Everything that is saved, by name."""
    with pytest.warns(UserWarning, match="predicts and cannot train"):
        of_no_scope = LearnedUpdateRule(BackpropMLPRegressor((3,), **SHORT)).fit(X, Y)
    found = {f"{kind.__name__}()": an_instance(kind) for kind in RULE_TYPES}
    found |= {
        f"trained by {kind.__name__}": classifier(update_rule=an_instance(kind)).fit(X, Y)
        for kind in RULE_TYPES
    }
    found |= {kind: classifier().fit(X, y) for kind, y in LABELS.items()}
    found |= {
        "several columns of classes": classifier().fit(X, COLUMNS),
        "stopped early": classifier(early_stopping=True).fit(X, Y),
        "dropped": classifier(dropout=0.2).fit(X, Y),
        "sparse": classifier().fit(csr_array(X), Y),
        "unfitted classifier": classifier(),
        "unfitted regressor": BackpropMLPRegressor(),
        "unfitted rule": LearnedUpdateRule(),
        "float32": classifier().fit(X.astype(np.float32), Y),
        "regressor": BackpropMLPRegressor((4,), **SHORT).fit(*numbers()),
        "autoencoder": BackpropAutoencoder((3,), **SHORT).fit(X),
        "unfitted autoencoder": BackpropAutoencoder(),
        "members": classifier(n_members=3).fit(X, Y),
        "members stopped early": BackpropMLPRegressor(
            (4,), n_members=2, early_stopping=True, **SHORT
        ).fit(*numbers()),
        "several outputs": BackpropMLPRegressor((4,), **SHORT).fit(*numbers(3)),
        "pipeline": make_pipeline(StandardScaler(), classifier()).fit(X, Y),
        "clipper": RobustSmoothClipper().fit(X),
        "clipped inputs": make_pipeline(RobustSmoothClipper(), classifier()).fit(X, Y),
        "generator of its own": classifier(random_state=np.random.RandomState(0)).fit(X, Y),
        "rule of no scope": of_no_scope,
        "ridge": learned("link", Ridge()),
        "recurrent": BackpropRNNRegressor(4, **SHORT).fit(*numbers()),
        "recurrent labels": BackpropRNNClassifier(
            4, "gru", return_sequences=True, bptt_steps=2, **SHORT
        ).fit(X, np.sign(X) > 0),
        "periodic": classifier(numeric_embedding=PeriodicEmbedding(), scaling_layer=True).fit(X, Y),
        "bins": classifier(numeric_embedding=PiecewiseLinearEmbedding()).fit(X, Y),
        "linear controller": learned("layer", LayerScope.default_learner()),
    }
    for scope in ("link", "neuron", "network", "layer"):
        rule = learned(scope)
        found[f"rule of scope {scope}"] = rule
        student = classifier(update_rule=rule, batch_size=20)
        found[f"trained by scope {scope}"] = student.fit(X, Y)
    frozen = classifier(update_rule=FrozenEstimator(found["rule of scope link"]))
    found["trained by a frozen rule"] = frozen.fit(X, Y)
    return found


@pytest.fixture(scope="module")
def saved(models):
    return {name: skops_io.dumps(model) for name, model in models.items()}


def rows_for(model):
    return np.resize(X, (10, getattr(model, "n_features_in_", 4)))


def test_loaded_models_predict_the_same(models, saved):
    for name, model in models.items():
        loaded = skops_io.loads(saved[name], trusted=TRUSTED_TYPES)
        assert type(loaded) is type(model), name
        assert vars(loaded).keys() == vars(model).keys(), name
        if hasattr(model, "predict") and not name.startswith("unfitted"):
            np.testing.assert_array_equal(
                loaded.predict(rows_for(model)), model.predict(rows_for(model)), err_msg=name
            )


def test_every_trusted_type_is_needed_and_no_other(saved):
    frame, score = make_table()
    tables = [
        TabularMLPClassifier(max_iter=1, random_state=0).fit(frame, labels_of(score)),
        TabularMLPRegressor(max_iter=1, random_state=0).fit(frame, score),
    ]
    files = [*saved.values(), *map(skops_io.dumps, tables)]
    needed = set().union(*(skops_io.get_untrusted_types(data=data) for data in files))
    assert needed == set(TRUSTED_TYPES)


def test_training_goes_on_to_the_same_bits(models, saved):
    for name, model in models.items():
        if not hasattr(model, "partial_fit") or not hasattr(model, "params_"):
            continue
        y = model.predict(X) if name != "several outputs" else numbers(3)[1]
        loaded = skops_io.loads(saved[name], trusted=TRUSTED_TYPES)
        ours = (
            pickle.loads(pickle.dumps(model))
            .partial_fit(X, y)
            .set_params(warm_start=True)
            .fit(X, y)
        )
        theirs = loaded.partial_fit(X, y).set_params(warm_start=True).fit(X, y)
        np.testing.assert_array_equal(theirs.params_, ours.params_, err_msg=name)
        assert theirs.loss_curve_ == ours.loss_curve_, name
        assert not np.array_equal(theirs.params_, model.params_), name


def test_a_loaded_rule_trains_the_same(models, saved):
    for scope in ("link", "neuron"):
        name = f"rule of scope {scope}"
        loaded = skops_io.loads(saved[name], trusted=TRUSTED_TYPES)
        ours, theirs = (
            BackpropMLPClassifier((7,), update_rule=rule, **SHORT).fit(X, Y)
            for rule in (models[name], loaded)
        )
        np.testing.assert_array_equal(theirs.params_, ours.params_)


def test_a_recorder_is_not_trusted():
    model = classifier().set_callbacks(TraceRecorder()).fit(X, Y)
    with pytest.raises(skops_io.exceptions.UntrustedTypesFoundException, match="TraceRecorder"):
        skops_io.loads(skops_io.dumps(model), trusted=TRUSTED_TYPES)
    loaded = skops_io.loads(skops_io.dumps(model.set_callbacks()), trusted=TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.params_, model.params_)


# What a file may say, past every __init__: types are trusted, values are not.
MADE_UP = {
    "few parameters": lambda model: vars(model).update(_params=model.params_[:-1]),
    "many neurons": lambda model: vars(model.network_.layout).update(layer_sizes=(4, 4000, 3)),
    "fewer than no neurons": lambda model: vars(model.network_.layout).update(
        layer_sizes=(4, -1, 4, 3)
    ),
    "groups": lambda model: vars(model.network_).update(out_groups=(2, 100)),
    "functions": lambda model: vars(model.network_).update(activations=("tanh", "tanh", "tanh")),
    "order": lambda model: setattr(model._training_state, "order", np.full(len(X), 10**9)),
    "weights": lambda model: setattr(model._training_state, "params", model.params_[:3]),
    "state of the rule": lambda model: model._training_state.rule_state.update(mean=np.zeros(2)),
}


@pytest.mark.parametrize("made_up", MADE_UP)
def test_values_that_do_not_fit_together_are_an_error(made_up):
    model = skops_io.loads(
        skops_io.dumps(classifier(batch_size=20).fit(X, Y)), trusted=TRUSTED_TYPES
    )
    MADE_UP[made_up](model)
    with pytest.raises(ValueError):
        model.predict(X)
        model.partial_fit(X, Y)


@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
@pytest.mark.parametrize("sizes", [[], [7, -1, 3, 1], [7, 2**40, 1]], ids=str)
def test_a_learned_rule_whose_layers_are_made_up_is_an_error(scope, sizes, saved):
    model = skops_io.loads(saved[f"trained by scope {scope}"], trusted=TRUSTED_TYPES)
    mlp = model.update_rule_.fitted_scope_.mlp
    vars(mlp).update(sizes=np.array(sizes, np.int64))
    vars(mlp.layout).update(layer_sizes=tuple(sizes))
    model.update_rule = model.update_rule_
    with pytest.raises((ValueError, IndexError)):
        model.partial_fit(X, Y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layout_is_made_anew_from_its_sizes(dtype):
    layout = ParameterLayout((2, 3, 1), dtype)
    assert layout.n_params == 13
    loaded = pickle.loads(pickle.dumps(layout))
    assert loaded == layout
    fields = {"layer_sizes": (2, 3, 1), "dtype": np.dtype(dtype), "cell": None}
    fields |= {"extras": (), "first_fan_in": None}
    assert vars(loaded) == fields
    recurrent = ParameterLayout((2, 3, 1), dtype, "gru")
    assert pickle.loads(pickle.dumps(recurrent)) == recurrent != layout


@pytest.mark.parametrize("make", [quick_classifier, quick_regressor])
def test_tables_with_their_preprocessing(make):
    frame, score = make_table()
    y = labels_of(score) if make is quick_classifier else score
    model = make(n_members=2, max_iter=3).fit(frame, y)
    loaded = skops_io.loads(skops_io.dumps(model), trusted=TRUSTED_TYPES)
    assert (loaded.predict(frame) == model.predict(frame)).all()
