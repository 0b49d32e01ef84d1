"""Rules in files: the same rule again, or a RuleFileError."""

import errno
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers.damage import (
    DAMAGES,
    IN_THE_WAY,
    UNDER_A_LIMIT,
    flipped_early,
    put_in_the_way,
    put_together,
    take_apart,
    with_array,
)
from helpers.data import classes
from safetensors.numpy import load_file
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

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

# The learners are small, and few epochs make them: what they learned is not what is tested.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = BackpropMLPRegressor((4,), "tanh", max_iter=20, n_iter_no_change=np.inf, random_state=0)
LEARNERS = {
    "default": None,
    "ours": SMALL,
    "no hidden layer": clone(SMALL).set_params(hidden_layer_sizes=()),
    "two, tanh outputs": clone(SMALL).set_params(hidden_layer_sizes=(3, 2), out_activation="tanh"),
    "theirs": MLPRegressor(hidden_layer_sizes=(4,), max_iter=1000, tol=1e-2, random_state=0),
    "scaled": make_pipeline(StandardScaler(), SMALL),
    "scaled target": TransformedTargetRegressor(SMALL, transformer=StandardScaler()),
}


def network(rule, sizes=(8,), n_epochs=5, seed=0):
    return BackpropMLPClassifier(
        sizes,
        update_rule=rule,
        batch_size=16,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
    )


def record(rule, dtype=np.float64):
    X, y = classes("multiclass", n=80, seed=40, dtype=dtype)
    recorder = TraceRecorder("all")
    network(rule, (6,)).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


@pytest.fixture(scope="module")
def trace():
    return record(SGD(0.1))


@pytest.fixture(scope="module")
def rule(trace):
    return LearnedUpdateRule(random_state=0).fit(trace)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
@pytest.mark.parametrize("learner", LEARNERS)
def test_a_loaded_rule_is_the_one_that_was_saved(tmp_path, scope, learner, dtype):
    trace = record(Adam() if scope == "link" else SGD(0.1), dtype)
    rule = LearnedUpdateRule(LEARNERS[learner], scope=scope, random_state=3).fit(trace)
    rule.save(tmp_path / "rule.safetensors")
    loaded = load_rule(tmp_path / "rule.safetensors")
    X, y = classes("multiclass", n=60, seed=9, dtype=dtype)
    sizes = (6,) if scope == "network" else (5, 3)
    params = network(rule, sizes).fit(X, y).params_
    for copy in (loaded, clone(loaded), pickle.loads(pickle.dumps(loaded))):
        assert network(copy, sizes).fit(X, y).params_.tobytes() == params.tobytes()
    features = trace.features(scope, rule.inputs_)
    predicted = rule.predict(features)
    tolerance = 1e-4 if learner == "theirs" and dtype == np.float32 else 1e-9
    spread = np.abs(predicted).max()
    np.testing.assert_allclose(
        loaded.predict(features), predicted, rtol=tolerance, atol=tolerance * spread
    )
    assert loaded.predict(trace).shape == rule.predict(trace).shape
    np.testing.assert_allclose(loaded.score(trace), rule.score(trace), rtol=10 * tolerance)
    if learner in ("ours", "no hidden layer", "two, tanh outputs"):  # nothing was folded
        assert loaded.predict(features).tobytes() == predicted.tobytes()
    ours, theirs = loaded.explain(), rule.explain()
    assert list(ours.effects) == list(theirs.effects)
    for name in ours.effects:
        np.testing.assert_allclose(ours.effects[name][0], theirs.effects[name][0], rtol=1e-6)
    fitted = [name for name in vars(rule) if name.endswith("_") and name != "fitted_scope_"]
    assert {name: getattr(loaded, name) for name in fitted} == {
        name: getattr(rule, name) for name in fitted
    }
    mlp = loaded.learner_[-1] if isinstance(loaded.learner_, Pipeline) else loaded.learner_
    assert isinstance(mlp, BackpropMLPRegressor)
    assert (loaded.scope, loaded.is_compiled_) == (scope, True)


@pytest.mark.parametrize(
    "inputs", [["weight", "activation", "delta", "warmup_0.99"], ["gradient/rms_0.9"]], ids=len
)
def test_inputs_travel_with_the_rule(tmp_path, trace, inputs):
    rule = LearnedUpdateRule(SMALL, inputs=inputs, random_state=0).fit(trace)
    rule.save(tmp_path / "rule")
    loaded = load_rule(str(tmp_path / "rule"))
    assert loaded.inputs_ == tuple(inputs)
    X, y = classes("binary", n=60, seed=9)
    np.testing.assert_array_equal(
        network(loaded).fit(X, y).params_, network(rule).fit(X, y).params_
    )


def test_a_learner_of_float32_stays_one(tmp_path, trace):
    features, targets = (
        a.astype(np.float32) for a in (trace.features("link"), trace.targets_of("link"))
    )
    rule = LearnedUpdateRule(SMALL).fit(features, targets)
    assert rule.learner_.params_.dtype == np.float32
    rule.save(tmp_path / "rule")
    loaded = load_rule(tmp_path / "rule")
    assert loaded.predict(features).tobytes() == rule.predict(features).tobytes()
    X, y = classes("multiclass", n=60, seed=9)
    np.testing.assert_array_equal(
        network(loaded).fit(X, y).params_, network(rule).fit(X, y).params_
    )


def test_a_loaded_rule_can_be_saved_again_and_fitted_afresh(tmp_path, trace, rule):
    rule.save(tmp_path / "one")
    loaded = load_rule(tmp_path / "one")
    loaded.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    features = trace.features("link")
    again = loaded.set_params(random_state=0).fit(trace)
    np.testing.assert_array_equal(again.predict(features), rule.predict(features))


def test_the_library_reads_the_file_too(tmp_path, rule):
    rule.save(tmp_path / "rule")
    np.testing.assert_array_equal(load_file(tmp_path / "rule")["params"], rule.learner_.params_)


def test_saving_replaces_a_file_and_leaves_no_other(tmp_path, trace, rule):
    (tmp_path / "rule").write_text("old")
    rule.save(tmp_path / "rule")
    LearnedUpdateRule(SMALL, random_state=0).fit(trace).save(tmp_path / "rule")
    assert load_rule(tmp_path / "rule").learner_.hidden_layer_sizes == (4,)
    assert os.listdir(tmp_path) == ["rule"]


def test_a_failed_save_keeps_the_old_file(tmp_path, rule, monkeypatch):
    rule.save(tmp_path / "rule")
    before = (tmp_path / "rule").read_bytes()

    def fails(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        rule.save(tmp_path / "rule")
    assert (tmp_path / "rule").read_bytes() == before
    assert os.listdir(tmp_path) == ["rule"]
    with pytest.raises(OSError, match="No such file"):
        rule.save(tmp_path / "missing" / "rule")


def test_only_fitted_rules_of_one_mlp_are_saved(tmp_path, trace):
    with pytest.raises(NotFittedError):
        LearnedUpdateRule().save(tmp_path / "rule")
    linear = LearnedUpdateRule(Ridge()).fit(trace)
    with pytest.raises(ValueError, match=r"learner of this rule is Ridge\(\): pickle the rule"):
        linear.save(tmp_path / "rule")
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="predicts and cannot train"):
        plain = LearnedUpdateRule(SMALL).fit(rng.standard_normal((50, 3)), rng.standard_normal(50))
    with pytest.raises(ValueError, match="pickle the rule"):
        plain.save(tmp_path / "rule")
    assert os.listdir(tmp_path) == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory, trace):
    """Return files of all scopes, each with the facts of its rule."""
    folder = tmp_path_factory.mktemp("saved")
    files = []
    for scope in ("link", "neuron", "network"):
        LearnedUpdateRule(SMALL, scope=scope, random_state=0).fit(trace).save(folder / scope)
        files.append(((folder / scope).read_bytes(), facts(load_rule(folder / scope))))
    return files


def facts(rule):
    names = [name for name in vars(rule) if name.endswith("_") and name != "fitted_scope_"]
    return {name: getattr(rule, name) for name in names} | {
        "params": rule.learner_.params_.tobytes()
    }


def loads_the_same_or_says_why_not(path, expected):
    try:
        loaded = load_rule(path)
    except RuleFileError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 2000
        return False
    assert facts(loaded) == expected
    return True


@pytest.mark.parametrize("part", range(10))
def test_two_hundred_damaged_files(tmp_path, saved, part):
    refused = 0
    for seed in range(20 * part, 20 * (part + 1)):
        rng = np.random.default_rng(seed)
        data, expected = saved[rng.integers(len(saved))]
        (tmp_path / "rule").write_bytes(DAMAGES[seed % len(DAMAGES)](data, rng))
        refused += not loads_the_same_or_says_why_not(tmp_path / "rule", expected)
    assert refused >= 18  # a space of the header may become a tab


def test_no_flipped_bit_of_a_header_goes_unnoticed(tmp_path, saved):
    loaded = 0
    for seed in range(100):
        data, expected = saved[seed % len(saved)]
        (tmp_path / "rule").write_bytes(flipped_early(data, np.random.default_rng(seed)))
        loaded += loads_the_same_or_says_why_not(tmp_path / "rule", expected)
    assert loaded <= 2


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_other_things_in_place_of_a_file_are_refused(tmp_path, saved, kind):
    (tmp_path / "rule").write_bytes(saved[0][0])
    put_in_the_way(tmp_path / "rule", kind)
    assert not loads_the_same_or_says_why_not(tmp_path / "rule", None)
    with pytest.raises(RuleFileError, match="No such file"):
        load_rule(tmp_path / "missing")


@pytest.mark.parametrize(
    ("number", "changes", "message"),
    [
        (0, {"scope": "synapse"}, "scope is none of"),
        (0, {"inputs": ["gradient"]}, "must be different names"),
        (0, {"inputs": ["weight"]}, "7 inputs and 1 outputs, not 1 and 1"),
        (0, {"inputs": "weight"}, "inputs are not names"),
        (0, {"hidden": "softmax"}, "hidden is none of"),
        (0, {"facts": {"unit": "2", "scale": 1.0, "first_step": 0.0}}, "unit is not possible"),
        (0, {"facts": {"unit": True, "scale": 1.0, "first_step": 0.0}}, "unit is not possible"),
        (0, {"facts": {"unit": "1", "scale": "big", "first_step": 0.0}}, "scale is not possible"),
        (0, {"facts": {"unit": "1"}}, "facts are not"),
        (
            0,
            {"facts": {"unit": "stride", "scale": 1.0, "first_step": 0.1}},
            "needs the input last_step",
        ),
        (
            0,
            {"facts": {"unit": "1", "scale": 1.0, "first_step": True}},
            "first_step is not possible",
        ),
        (0, {"layer_sizes": [7, 1]}, r"\(37,\).*, and its layers have .*\(8,\)"),
        (0, {"layer_sizes": [2**30] * 9999}, "and its layers have"),
        (0, {"layer_sizes": [2] * 10_001}, "layer_sizes are not"),
        (0, {"learner_dtype": "float16"}, "learner_dtype is none of"),
        (1, {"facts": {"scale": 1.0, "learning_rate": "fast"}}, "learning_rate is not possible"),
        (
            2,
            {"facts": {"layer_sizes": [4, 5, 3]}},
            r"outputs, which are not the updates of \(4, 5, 3\)",
        ),
        (2, {"facts": {"layer_sizes": [4]}}, "layer_sizes is not possible"),
    ],
)
def test_a_forged_header_is_refused_by_name(tmp_path, saved, number, changes, message):
    table, header, body = take_apart(saved[number][0])
    (tmp_path / "rule").write_bytes(put_together(table, header | changes, body))
    with pytest.raises(RuleFileError, match=message):
        load_rule(tmp_path / "rule")


def test_a_header_of_half_a_character(tmp_path, saved):
    table, header, body = take_apart(saved[0][0])
    (tmp_path / "rule").write_bytes(put_together(table, header, body, text='{"scope": "\ud800"}'))
    with pytest.raises(RuleFileError, match="its header is not JSON"):
        load_rule(tmp_path / "rule")


@pytest.mark.parametrize("name", ["params", "input_ranges"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_arrays_are_finite(tmp_path, saved, name, value):
    def change(array):
        array.flat[3] = value

    (tmp_path / "rule").write_bytes(with_array(saved[0][0], name, change))
    with pytest.raises(RuleFileError, match="a number in its arrays is not finite"):
        load_rule(tmp_path / "rule")


def test_a_trace_is_no_rule_file(tmp_path, trace):
    trace.save(tmp_path / "trace")
    (file,) = (tmp_path / "trace").glob("*/*")
    with pytest.raises(RuleFileError, match="its kind is 'sklearn_metabp trace 1'"):
        load_rule(file)
    with pytest.raises(RuleFileError, match=r"Is a directory|not a regular file"):
        load_rule(tmp_path / "trace")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_huge_sizes_take_no_memory(tmp_path, saved):
    table, header, body = take_apart(saved[0][0])
    params = table["params"]
    forged = [
        put_together(table, header, body, length=2**63 - 1),
        put_together({**table, "params": params | {"shape": [2**40]}}, header, body),
        put_together(
            {**table, "params": {**params, "shape": [2**40], "data_offsets": [0, 2**43]}},
            header,
            body,
        ),
        put_together(table, header | {"layer_sizes": [2**31 - 1, 2**31 - 1, 1]}, body),
        put_together(table, header | {"layer_sizes": [1] * 10_000}, body),
        put_together(table, header | {"inputs": ["weight"] * 50_000}, body),
        (2**20).to_bytes(8, "little") + b"[" * 2**20 + body,
    ]
    for number, data in enumerate(forged):
        (tmp_path / str(number)).write_bytes(data)
    program = UNDER_A_LIMIT.format(
        names="load_rule, RuleFileError",
        function="read = load_rule",
        error="RuleFileError",
        more=100 * 2**20,
    )
    paths = "\n".join(str(tmp_path / str(number)) for number in range(len(forged)))
    done = subprocess.run(
        [sys.executable, "-c", program], input=paths, capture_output=True, text=True
    )
    assert done.stdout == "done\n", done.stderr
