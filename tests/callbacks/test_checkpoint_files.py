"""Files of checkpoints: arrays and JSON, read without trust."""

import os
import shutil

import numpy as np
import pytest
from helpers.checkpoints import KillAfter, Killed, fields_of, nodes
from helpers.damage import DAMAGES, IN_THE_WAY, put_in_the_way, put_together, take_apart, with_array
from helpers.data import classes, numbers
from helpers.rules import ALL_RULES

from sklearn_metabp import (
    LBFGS,
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    CheckpointError,
    Clipped,
    ConjugateGradient,
    EarlyStopping,
    LearnedUpdateRule,
    LineSearchRule,
    Safeguarded,
    TraceRecorder,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def learned_rules():
    X, y = numbers(n=30, n_features=3, seed=5)
    recorder = TraceRecorder("all")
    teacher = BackpropMLPRegressor(
        (4,), update_rule=SGD(0.05), max_iter=4, batch_size=10, random_state=0
    )
    teacher.set_callbacks(recorder).fit(X, y)
    fitted = {
        scope: LearnedUpdateRule(scope=scope, random_state=0).fit(recorder.trace_)
        for scope in ("link", "neuron", "network")
    }
    inputs = ["gradient/rms_0.9", "last_step", "gradient/peak_0.999", "gradient/norm"]
    fitted["link with memory"] = LearnedUpdateRule(inputs=inputs, random_state=0).fit(
        recorder.trace_
    )
    return fitted


@pytest.fixture(scope="module")
def learned():
    return learned_rules()


def resumed_as_whole(rule, folder):
    """Return whether a killed and resumed training ends with the bits of an uninterrupted one."""
    X, y = numbers(n=30, n_features=3, seed=6)

    def fit(*callbacks):
        size = "auto" if isinstance(rule, LineSearchRule) else 10
        model = BackpropMLPRegressor(
            (4,), update_rule=rule, max_iter=9, batch_size=size, random_state=0
        )
        return model.set_callbacks(*callbacks).fit(X, y)

    if isinstance(rule, LineSearchRule):
        fit(Checkpoint(folder))
    else:
        with pytest.raises(Killed):
            fit(Checkpoint(folder), KillAfter(4))
    (file,) = os.listdir(folder)
    assert file.endswith(".safetensors")
    np.testing.assert_array_equal(fit(Checkpoint(folder)).params_, fit().params_)
    assert os.listdir(folder) == [file]


@pytest.mark.parametrize("rule", [*ALL_RULES, LBFGS(), ConjugateGradient()], ids=str)
def test_states_of_all_rules_of_the_package_are_arrays_and_json(rule, tmp_path):
    resumed_as_whole(rule, tmp_path)


@pytest.mark.parametrize("scope", ["link", "link with memory", "neuron", "network"])
@pytest.mark.parametrize(
    "around", [lambda rule: rule, Clipped, lambda rule: Safeguarded(rule, SGD(0.01))]
)
def test_states_of_learned_rules_are_arrays_and_json(scope, around, learned, tmp_path):
    resumed_as_whole(around(learned[scope]), tmp_path)


def test_a_checkpoint_is_a_safetensors_file(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    X, y = numbers()
    model = (
        BackpropMLPRegressor((4,), max_iter=3, random_state=0)
        .set_callbacks(Checkpoint(tmp_path))
        .fit(X, y)
    )
    (file,) = tmp_path.iterdir()
    arrays = safetensors.load_file(file)
    assert any(np.array_equal(array, model.params_) for array in arrays.values())


def model(folder, *callbacks, **settings):
    settings = {
        "batch_size": 16,
        "max_iter": 6,
        "early_stopping": True,
        "random_state": 0,
    } | settings
    stopper = EarlyStopping("loss", patience=50, restore_best=False)
    return BackpropMLPClassifier((3,), **settings).set_callbacks(
        Checkpoint(folder), stopper, *callbacks
    )


@pytest.fixture
def killed(tmp_path):
    """Data, and the file of a training that was killed after three epochs."""
    X, y = classes("multiclass")
    with pytest.raises(Killed):
        model(tmp_path, KillAfter(3)).fit(X, y)
    (file,) = tmp_path.iterdir()
    return X, y, file


def test_a_damaged_or_forged_file_is_refused_or_trains_to_the_same_bits(killed):
    X, y, file = killed
    whole = model(file.parent).fit(X, y).params_
    with pytest.raises(Killed):
        file.unlink()
        model(file.parent, KillAfter(3)).fit(X, y)
    data, n_refused, seed = file.read_bytes(), 0, np.random.default_rng().integers(2**32)
    rng = np.random.default_rng(seed)
    for damage in DAMAGES * 6:
        file.write_bytes(damage(data, rng))
        try:
            params = model(file.parent).fit(X, y).params_
        except CheckpointError as error:
            n_refused += 1
            assert len(str(error)) < 500
        else:
            np.testing.assert_array_equal(
                params, whole, err_msg=f"{damage.__name__} of seed {seed}"
            )
    assert n_refused > 60


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_a_path_that_is_taken_by_something_else_is_refused(kind, killed):
    X, y, file = killed
    put_in_the_way(file, kind)
    with pytest.raises(CheckpointError, match=r"is not a checkpoint that can be read.*delete it"):
        model(file.parent).fit(X, y)


def test_the_file_of_another_training_is_refused(killed):
    X, y, file = killed
    other = model(file.parent, random_state=1).fit(X, y)
    (other,) = set(file.parent.iterdir()) - {file}
    shutil.copy(other, file)
    with pytest.raises(CheckpointError, match="it is of another training"):
        model(file.parent).fit(X, y)


FORGERIES = {
    "a position beyond the random numbers": lambda header: [
        pair.__setitem__(1, 10**6)
        for n in nodes(header)
        for pair in n.get("dict", [])
        if pair[0] == "pos"
    ],
    "another class": lambda header: header["state"].update(object="subprocess.Popen"),
    "a class of the package that has no place here": lambda header: [
        n.update(object="sklearn_metabp.callbacks.checkpoint.Checkpoint")
        for n in nodes(header["state"]["state"])
        if "object" in n
    ],
    "a rule's state that is a list": lambda header: fields_of(header)["rule_state"].__setitem__(
        1, {"list": []}
    ),
    "no weights": lambda header: fields_of(header)["params"].__setitem__(1, None),
    "weights of another order": lambda header: fields_of(header)["params"][1]["array"].__setitem__(
        2, [1, 27]
    ),
    "a dtype of objects": lambda header: fields_of(header)["params"][1]["array"].__setitem__(
        1, "|O"
    ),
    "a dtype that is code": lambda header: fields_of(header)["params"][1]["array"].__setitem__(
        1, "f8,(2"
    ),
    "a size beyond all memory": lambda header: fields_of(header)["order"][1]["array"].__setitem__(
        2, [2**47]
    ),
    "an array without a name": lambda header: fields_of(header)["params"][1]["array"].__setitem__(
        0, None
    ),
    "an array that is not there": lambda header: fields_of(header)["params"][1][
        "array"
    ].__setitem__(0, "no"),
    "a count that is none": lambda header: fields_of(header)["n_steps"].__setitem__(1, -1),
    "a count that is true": lambda header: fields_of(header)["n_steps"].__setitem__(1, True),
    "a curve of words": lambda header: fields_of(header)["loss_curve"].__setitem__(
        1, {"list": ["a"]}
    ),
    "patience of another kind": lambda header: fields_of(header)["patience"].__setitem__(
        1, {"dict": []}
    ),
    "a field that is none": lambda header: header["state"]["state"]["dict"].append(
        ["__class__", 1]
    ),
    "a value that repeats itself": lambda header: header.update(state={"again": 0}),
    "a mark that is none": lambda header: header.update(state={"_met": 0}),
    "a key that cannot be one": lambda header: header.update(state={"dict": [[{"list": []}, 1]]}),
    "an end that is none": lambda header: header.update(stopped="yes"),
    "more than a checkpoint has": lambda header: header.update(code="import os"),
    "memory of a callback that is none": lambda header: [
        pair.__setitem__(1, {"list": []})
        for n in nodes(header)
        for pair in n.get("dict", [])
        if str(pair[0]).startswith("EarlyStopping")
    ],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_header_is_refused(forgery, killed):
    X, y, file = killed
    table, header, body = take_apart(file.read_bytes())
    FORGERIES[forgery](header)
    file.write_bytes(put_together(table, header, body))
    with pytest.raises(CheckpointError, match="is not a checkpoint that can be read") as caught:
        model(file.parent).fit(X, y)
    assert len(str(caught.value)) < 500


def test_an_order_that_is_no_permutation_is_refused(killed):
    X, y, file = killed
    data = file.read_bytes()
    name = fields_of(take_apart(data)[1])["order"][1]["array"][0]
    file.write_bytes(with_array(data, name, lambda order: order.__setitem__(0, 10**9)))
    with pytest.raises(CheckpointError, match="its order of the rows is none"):
        model(file.parent).fit(X, y)
