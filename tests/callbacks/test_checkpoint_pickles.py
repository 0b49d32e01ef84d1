"""Checkpoints with objects: they are pickled only where nobody else can write."""

import errno
import os
import pickle
import stat

import numpy as np
import pytest
from helpers.checkpoints import KillAfter, Killed, fields_of
from helpers.damage import put_together, take_apart, with_array
from helpers.data import classes, numbers

from sklearn_metabp import (
    Averaged,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    CheckpointError,
    Clipped,
    UpdateRule,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no owners")


def model(folder, *callbacks):
    return BackpropMLPClassifier((3,), max_iter=6, random_state=0).set_callbacks(
        Checkpoint(folder), *callbacks
    )


@pytest.fixture
def killed(tmp_path):
    """Data, and the file of a training that was killed after three epochs."""
    X, y = classes("multiclass")
    with pytest.raises(Killed):
        model(tmp_path, KillAfter(3)).fit(X, y)
    (file,) = tmp_path.iterdir()
    return X, y, file


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def with_pickle(file, value):
    """The bytes of a file whose state is a pickle."""
    data = file.read_bytes()
    table, header, body = take_apart(data)
    name = fields_of(header)["params"][1]["array"][0]
    raw = pickle.dumps(value)
    length = table[name]["data_offsets"][1] - table[name]["data_offsets"][0]
    assert len(raw) <= length
    raw += bytes(length - len(raw))
    fields_of(header)["params"][1] = {"pickle": [name, "|u1", [length], "C"]}
    data = put_together(table, header, body)
    return with_array(
        data,
        name,
        lambda array: array.view(np.uint8).reshape(-1).__setitem__(slice(None), list(raw)),
    )


def test_a_pickle_in_a_file_of_arrays_is_not_read(killed, tmp_path):
    X, y, file = killed
    mark = tmp_path / "m"
    file.write_bytes(with_pickle(file, Touch(mark)))
    with pytest.raises(
        CheckpointError, match=r"it holds a pickle, which only files named \.pickle may"
    ):
        model(file.parent).fit(X, y)
    assert not mark.exists()


@needs_owners
@pytest.mark.parametrize("who", ["directory", "file", "owner", "link"])
def test_a_pickle_that_others_may_have_written_is_not_read(who, killed, tmp_path, monkeypatch):
    X, y, file = killed
    mark = tmp_path / "m"
    forged = file.with_suffix(".pickle")
    forged.write_bytes(with_pickle(file, Touch(mark)))
    tmp_path.chmod(0o777 if who == "directory" else 0o755)
    forged.chmod(0o666 if who == "file" else 0o644)
    if who == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    elif who == "link":
        forged.rename(tmp_path / "elsewhere")
        forged.symlink_to(tmp_path / "elsewhere")
    what = {
        "directory": "others may write to .*chmod go-w",
        "file": "others may write to .*pickle: .*chmod go-w",
        "owner": "belongs to another user: give Checkpoint a directory of your own",
        "link": "is not a regular file",
    }
    with pytest.raises(
        CheckpointError, match=f"holds a pickle, which runs code.*{what[who]}"
    ) as caught:
        model(file.parent).fit(X, y)
    assert not mark.exists()
    assert len(str(caught.value)) < 1000


class Held:
    def __init__(self):
        self.n = 0


class HoldsAnObject(UpdateRule):
    def init_state(self, layout):
        return {"held": Held()}

    def compute_update(self, step, state):
        state["held"].n += 1
        return -0.1 / state["held"].n * step.gradients


def test_an_object_in_a_state_is_pickled_and_found_again(tmp_path):
    X, y = numbers()

    def fit(*callbacks):
        model = BackpropMLPRegressor((3,), update_rule=HoldsAnObject(), max_iter=8, random_state=0)
        return model.set_callbacks(*callbacks).fit(X, y)

    old = os.umask(0o002)
    try:
        with pytest.raises(Killed):
            fit(Checkpoint(tmp_path / "new"), KillAfter(4))
    finally:
        os.umask(old)
    (file,) = (tmp_path / "new").iterdir()
    assert file.suffix == ".pickle"
    np.testing.assert_array_equal(fit(Checkpoint(tmp_path / "new")).params_, fit().params_)


@needs_owners
def test_no_pickle_is_written_where_it_could_not_be_read(tmp_path):
    X, y = numbers()
    tmp_path.chmod(0o777)
    model = BackpropMLPRegressor((3,), update_rule=HoldsAnObject(), max_iter=8)
    with pytest.raises(
        CheckpointError, match=r"has to be pickled.*could not be read again.*chmod go-w"
    ):
        model.set_callbacks(Checkpoint(tmp_path)).fit(X, y)
    assert os.listdir(tmp_path) == []
    BackpropMLPRegressor((3,), max_iter=8).set_callbacks(Checkpoint(tmp_path)).fit(X, y)


class Quotes:
    """An object that cannot be pickled, whose error would quote all its data."""

    def __init__(self):
        self.numbers = np.arange(10000.0)

    def __reduce__(self):
        raise pickle.PicklingError(f"I hold {self.numbers.tolist()}")


class CannotBeSaved(HoldsAnObject):
    def __init__(self, kind):
        self.kind = kind

    def init_state(self, layout):
        return {
            "held": {"lambda": lambda: 1, "quotes": Quotes(), "local": type("Local", (), {})()}[
                self.kind
            ]
        }


@pytest.mark.parametrize("kind", ["lambda", "quotes", "local"])
def test_a_state_that_cannot_be_saved_is_an_error_before_the_first_step(kind, tmp_path):
    X, y = numbers()
    model = BackpropMLPRegressor((3,), update_rule=CannotBeSaved(kind), max_iter=8)
    with pytest.raises(
        CheckpointError, match="the state of this training cannot be saved"
    ) as caught:
        model.set_callbacks(Checkpoint(tmp_path)).fit(X, y)
    assert len(str(caught.value)) < 500
    assert "9999" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_an_error_before_the_first_step(tmp_path, monkeypatch):
    X, y = numbers()
    (tmp_path / "file").write_text("")

    def fit(path):
        model = BackpropMLPRegressor((3,), max_iter=8).set_callbacks(Checkpoint(path), KillAfter(1))
        return model.fit(X, y)

    said = (
        "checkpoints cannot be written to .*: make it a directory that you can write to, or give "
        "Checkpoint"
    )
    with pytest.raises(CheckpointError, match=said):
        fit(tmp_path / "file" / "below")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(CheckpointError, match=said):
            fit(tmp_path / "closed")


def test_finished_trainings_are_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    X, y = numbers()
    model = BackpropMLPRegressor((3,), max_iter=3, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    params = model.fit(X, y).params_
    (file,) = tmp_path.iterdir()
    written = file.stat().st_mtime_ns, file.stat().st_ino
    np.testing.assert_array_equal(model.fit(X, y).params_, params)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == written


@pytest.mark.parametrize("at", [1, 2])
def test_the_error_of_a_full_disk_names_the_checkpoint_that_is_kept(at, tmp_path, monkeypatch):
    X, y = numbers()
    n_files = 0

    def fsync(handle):
        nonlocal n_files
        n_files += stat.S_ISREG(os.fstat(handle).st_mode)
        if n_files == at:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    model = BackpropMLPRegressor((3,), max_iter=3, random_state=0).set_callbacks(
        Checkpoint(tmp_path)
    )
    with pytest.raises(
        CheckpointError, match=r"could not be written to .*No space left.*Make room"
    ) as caught:
        model.fit(X, y)
    assert ("the one before it is still there" in str(caught.value)) == (at == 2)
    assert len(os.listdir(tmp_path)) == at - 1


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="the system does not flush directories")
def test_the_directory_is_flushed_after_the_file_has_its_name(tmp_path, monkeypatch):
    X, y = numbers()
    flushed = []

    def fsync(handle, really=os.fsync):
        really(handle)
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            flushed.append(sorted(os.listdir(tmp_path)))

    monkeypatch.setattr(os, "fsync", fsync)
    BackpropMLPRegressor((3,), max_iter=1, random_state=0).set_callbacks(Checkpoint(tmp_path)).fit(
        X, y
    )
    assert len(flushed) == 2
    assert all(len(names) == 1 and names[0].endswith(".safetensors") for names in flushed)


class Grows(UpdateRule):
    """A rule whose state has another form after every step."""

    def init_state(self, layout):
        return {"seen": None, "norms": []}

    def compute_update(self, step, state):
        state["seen"] = step.gradients.copy()
        state["norms"].append(float(np.abs(step.gradients).sum()))
        return -0.01 * len(state["norms"]) ** 0.5 * step.gradients


@pytest.mark.parametrize(
    "around", [lambda rule: rule, Clipped, lambda rule: Averaged(Clipped(rule))]
)
def test_a_rule_of_ones_own_is_resumed_within_wrappers_too(tmp_path, around):
    X, y = classes("multiclass")
    whole = BackpropMLPClassifier(
        (3,), max_iter=6, random_state=0, update_rule=around(Grows())
    ).fit(X, y)
    with pytest.raises(Killed):
        model(tmp_path, KillAfter(3)).set_params(update_rule=around(Grows())).fit(X, y)
    resumed = model(tmp_path).set_params(update_rule=around(Grows())).fit(X, y)
    np.testing.assert_array_equal(resumed.params_, whole.params_)
    assert resumed.n_iter_ == 6
