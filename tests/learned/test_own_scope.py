"""A new scope, one class and one line of a table, can do everything that other scopes can."""

import pickle

import matplotlib as mpl
import numpy as np
import pytest
from helpers.data import classes
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    RuleFileError,
    TraceRecorder,
    load_rule,
)
from sklearn_metabp.learned import SCOPES
from sklearn_metabp.learned.docstrings import documents
from sklearn_metabp.learned.scopes import Fact, Scope
from sklearn_metabp.learned.scopes.base import is_number
from sklearn_metabp.plotting import ImitationDisplay, LearnedRuleDisplay
from sklearn_metabp.tracing import taught_updates

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = classes("multiclass", n=60, seed=3)
DECAY = 0.9


class TensorScope(Scope):
    """For networks of any architecture, one prediction per weight matrix or bias vector.

    From statistics of a tensor, f sets two step sizes: along the gradient and along the velocity
    v = 0.9 v + g, which is part of the state.

    Attributes
    ----------
    floor : float
    """

    name = "tensor"
    input_descriptions = {
        "log_rms": "the logarithm of the gradient's root mean square, not below the floor",
        "alignment": "the cosine between gradient and velocity",
        "is_bias": "1 for a bias vector",
    }
    default_inputs = ("log_rms", "alignment")
    facts = (Fact("floor", "float", "Smallest root mean square.", is_number, is_meta_param=True),)
    has_many_targets = True
    follows_runs = True
    needed_arrays = frozenset({"gradients", "updates"})
    floor = 1e-12

    def n_predictions(self, layout, n_patterns):
        return len(layout.tensors)

    def n_targets(self, layout):
        return 2

    def mlp_ends(self):
        return len(self.inputs), 2

    def empty_state(self, layout):
        return {"velocity": layout.zeros()}

    def features_at(self, step, state):
        velocity = state["velocity"]
        velocity *= DECAY
        velocity += step.gradients
        rows = []
        for tensor in step.layout.tensors:
            g, v = step.gradients[tensor.slice], velocity[tensor.slice]
            known = {
                "log_rms": np.log(max(np.sqrt(np.mean(g**2)), self.floor)),
                "alignment": g @ v / max(np.linalg.norm(g) * np.linalg.norm(v), self.floor),
                "is_bias": float(tensor.is_bias),
            }
            rows.append([known[name] for name in self.inputs])
        return np.array(rows)

    def targets_at(self, step, state):
        found = []
        for tensor in step.layout.tensors:
            g, v = step.gradients[tensor.slice], state["velocity"][tensor.slice]
            update = taught_updates(step)[tensor.slice]
            found.append(np.linalg.lstsq(-np.column_stack([g, v]), update, rcond=1e-9)[0])
        return np.array(found)

    @classmethod
    def default_learner(cls):
        return BackpropMLPRegressor((4,), "tanh", update_rule=Adam(0.01), alpha=0.0)

    def update_from(self, predictions, step, state):
        updates = np.empty_like(step.gradients)
        for (along_g, along_v), tensor in zip(predictions, step.layout.tensors, strict=True):
            g, v = step.gradients[tensor.slice], state["velocity"][tensor.slice]
            updates[tensor.slice] = -along_g * g - along_v * v
        return updates

    def group_names(self, layout):
        return [tensor.name for tensor in layout.tensors]

    def target_groups(self, layout, n_patterns):
        return np.repeat(np.arange(len(layout.tensors)), 2)

    def output_names(self):
        return ["along g", "along v"]


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setitem(SCOPES, "tensor", TensorScope)


def network(rule, sizes=(5,), seed=0, recorder=None, dtype=np.float64):
    model = BackpropMLPClassifier(
        sizes, "tanh", update_rule=rule, batch_size=20, max_iter=8, n_iter_no_change=np.inf
    )
    model.set_params(random_state=seed)
    if recorder is not None:
        model.set_callbacks(recorder)
    return model.fit(X.astype(dtype), Y)


TEACHER = SGD(0.05, momentum=DECAY)


@pytest.fixture
def trace():
    recorder = TraceRecorder()
    for seed in (1, 2, 3):
        network(TEACHER, recorder=recorder, seed=seed)
    return recorder.trace_


@pytest.fixture
def rule(trace):
    return LearnedUpdateRule(scope="tensor", random_state=0).fit(trace)


def test_a_trace_has_its_features_and_targets(trace):
    n = 4 * len(trace)
    features = trace.features("tensor", ["is_bias", "log_rms"])
    assert features.shape == (n, 2)
    np.testing.assert_array_equal(features[:4, 0], [0, 0, 1, 1])
    first = trace.gradients[0][trace.layouts[0].tensors[0].slice]
    assert features[0, 1] == pytest.approx(np.log(np.sqrt(np.mean(first**2))))
    # The teacher's step is 0.05 along the velocity; at first the gradient is the velocity.
    targets = trace.targets_of("tensor").reshape(len(trace), 4, 2)
    late = trace.indices > 1
    np.testing.assert_allclose(
        targets[late], np.broadcast_to([0, 0.05], (late.sum(), 4, 2)), atol=1e-7
    )
    np.testing.assert_allclose(targets[~late].sum(axis=2), 0.05)
    np.testing.assert_array_equal(trace[5:9].features("tensor"), trace.features("tensor")[20:36])
    with pytest.raises(ValueError, match=r"scope must be one of .*'tensor'"):
        trace.features("synapse")
    with pytest.raises(ValueError, match="inputs of scope='tensor' must be different names"):
        trace.features("tensor", ["weight"])


def test_a_rule_of_the_new_scope_trains_as_its_teacher(rule, trace):
    assert rule.scope_ == "tensor"
    assert not rule.is_compiled_  # an MLP without a kernel
    assert rule.predict(trace).shape == (4 * len(trace), 2)
    for sizes in ((5,), (4, 3)):
        ours, theirs = network(rule, sizes), network(TEACHER, sizes)
        assert ours.loss_ < 1.1 * theirs.loss_
    assert network(rule, dtype=np.float32).params_.dtype == np.float32


def test_two_matrices_teach_the_same(rule, trace):
    features, targets = trace.features("tensor"), trace.targets_of("tensor")
    other = LearnedUpdateRule(scope="tensor", random_state=0).fit(features, targets)
    np.testing.assert_array_equal(other.predict(features), rule.predict(features))


def test_a_vector_of_the_new_scope_is_moved_cloned_pickled_and_saved(rule, tmp_path):
    expected = network(rule).params_
    vector = rule.meta_params_
    assert len(vector) == 2 * 4 + 4 + 4 * 2 + 2 + 1
    assert vector[-1] == 1e-12
    rule.save(tmp_path / "rule")
    for copy in (
        rule.with_meta_params(vector),
        clone(rule),
        pickle.loads(pickle.dumps(rule)),
        load_rule(tmp_path / "rule"),
    ):
        np.testing.assert_array_equal(network(copy).params_, expected)
        assert copy.floor_ == 1e-12
    other = rule.with_meta_params(vector + 0.1)
    assert (network(other).params_ != expected).any()
    started = LearnedUpdateRule(scope="tensor", random_state=0).initialize(floor=1e-6)
    assert started.meta_params_.shape == vector.shape
    assert network(started).n_iter_ == 8


def test_a_file_of_the_new_scope_is_checked(rule, tmp_path, monkeypatch):
    path = tmp_path / "rule"
    rule.save(path)
    data = path.read_bytes()
    monkeypatch.delitem(SCOPES, "tensor")
    with pytest.raises(RuleFileError, match="its scope is none of"):
        load_rule(path)
    monkeypatch.setitem(
        SCOPES, "tensor", type("Wide", (TensorScope,), {"mlp_ends": lambda self: (2, 3)})
    )
    with pytest.raises(RuleFileError, match="2 inputs and 2 outputs, not 2 and 3"):
        load_rule(path)
    assert path.read_bytes() == data


def test_a_rule_of_the_new_scope_is_explained_and_drawn(rule, trace):
    mpl.use("Agg")
    explanation = rule.explain(5)
    assert explanation.inputs == ("log_rms", "alignment")
    assert explanation.effects["log_rms"][1].shape == (5, 2)
    display = LearnedRuleDisplay.from_rule(rule)
    assert len(display.lines_["alignment"]) == 2
    imitation = ImitationDisplay.from_rule(rule, trace)
    assert imitation.names == ["coefs_[0]", "coefs_[1]", "intercepts_[0]", "intercepts_[1]"]
    assert set(imitation.groups) == {0, 1, 2, 3}
    assert len(imitation.y_true) == len(trace.run(0)) * 4 * 2
    mpl.pyplot.close("all")


def test_a_rule_of_the_new_scope_is_searched_and_tagged(trace):
    search = GridSearchCV(
        LearnedUpdateRule(random_state=0),
        {"scope": ["tensor", "link"], "inputs": [None]},
        cv=GroupKFold(3),
        error_score="raise",
    ).fit(trace, groups=trace.runs)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert LearnedUpdateRule(scope="tensor").__sklearn_tags__().target_tags.multi_output
    rule = LearnedUpdateRule().set_params(scope="tensor", learner__hidden_layer_sizes=(2,))
    assert rule.fit(trace).fitted_scope_.mlp.layout.layer_sizes == (2, 2, 2)


def test_docstrings_list_a_scope_of_ones_own():
    @documents(SCOPES)
    class Documented:
        """A rule.

        {scopes}

        Parameters
        ----------
        inputs : list of str

            {inputs}

        Attributes
        ----------
        {facts}
        """

    lines = Documented.__doc__.split("\n")
    at = next(i for i, line in enumerate(lines) if line.endswith('``"tensor"``'))
    indent = lines[at][: lines[at].index("`")]
    assert lines[at + 1].startswith(
        f"{indent}    For networks of any architecture, one prediction per "
    )
    assert any(line.endswith("v = 0.9 v + g, which is part of the state.") for line in lines)
    assert not any(line.strip() == "floor : float" for line in lines)
    assert any(
        line.strip().startswith('- ``"log_rms"`` (default): the logarithm') for line in lines
    )
    assert any(line.strip() == '- ``"is_bias"``: 1 for a bias vector' for line in lines)
    assert any(line.strip() == "floor_ : float" for line in lines)
    text = " ".join(Documented.__doc__.split())
    assert 'Smallest root mean square. Only of ``"tensor"``.' in text
    assert 'in their normalizers. Only of ``"link"`` and ``"neuron"``.' in text
    assert not any(f"{{{one}}}" in Documented.__doc__ for one in ("scopes", "inputs", "facts"))


def test_the_docstring_of_the_rule_describes_every_scope_and_input():
    doc = LearnedUpdateRule.__doc__
    for name, scope in SCOPES.items():
        if name == "tensor":
            continue
        assert f'``"{name}"``\n' in doc
        for one in scope.input_descriptions:
            assert f'- ``"{one}"``' in doc
        for fact in scope.facts:
            assert f"\n    {fact.name}_ : {fact.kind}\n" in doc or f"\n{fact.name}_ : " in doc
    assert max(map(len, doc.split("\n"))) <= 104
