"""Damaged and forged traces: the same values, or a TraceFileError."""

import shutil
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

from sklearn_metabp import BackpropMLPClassifier, Trace, TraceFileError, TraceRecorder
from sklearn_metabp.tracing import chunk_buffer

NAMES = ("params", "updates", "gradients", "losses", "indices", "epochs", "n_patterns", "targets")


def values(trace):
    arrays = {name: getattr(trace, name).tobytes() for name in NAMES}
    arrays |= {f"deltas {layer}": array.tobytes() for layer, array in enumerate(trace.deltas)}
    seen = []
    for run in trace.recorded:
        seen += [(step.index, step.loss, step.params.tobytes()) for _, step in run.steps()]
    return arrays | {"steps": seen, "networks": [run.network for run in trace.recorded]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A trace of a run of four chunks, and its values."""
    path = tmp_path_factory.mktemp("whole") / "trace"
    X, y = classes("multiclass", seed=6)
    variables = [
        "deltas",
        "targets",
        "params",
        "gradients",
        "updates",
        "loss",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_buffer, "CHUNK_STEPS", 4)
        model = BackpropMLPClassifier(
            (5,), batch_size=16, max_iter=4, n_iter_no_change=np.inf, random_state=0
        )
        model.set_callbacks(TraceRecorder(variables, path=path)).fit(X, y)
    trace = Trace.open(path)
    assert len(trace) == 16
    return path, values(trace)


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path / "trace")
    return tmp_path / "trace"


def chunks(path):
    return sorted(path.glob("*/*.safetensors"))


def opens_to_the_same_or_says_why_not(path, expected):
    """Return whether the trace opens; any exception but TraceFileError is an error of the test."""
    try:
        read = values(Trace.open(path))
    except TraceFileError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 2000
        return False
    assert read == expected
    return True


def test_undamaged_files_open(whole):
    assert opens_to_the_same_or_says_why_not(*whole)


@pytest.mark.parametrize("part", range(10))
def test_two_hundred_damaged_files(copy, whole, part):
    refused = 0
    for seed in range(20 * part, 20 * (part + 1)):
        rng = np.random.default_rng(seed)
        file = chunks(copy)[rng.integers(4)]
        before = file.read_bytes()
        file.write_bytes(DAMAGES[seed % len(DAMAGES)](before, rng))
        refused += not opens_to_the_same_or_says_why_not(copy, whole[1])
        file.write_bytes(before)
    assert refused >= 18  # a space of the header may become a tab


def test_no_flipped_bit_of_a_header_goes_unnoticed(copy, whole):
    file = chunks(copy)[1]
    before = file.read_bytes()
    opened = 0
    for seed in range(100):
        file.write_bytes(flipped_early(before, np.random.default_rng(seed)))
        opened += opens_to_the_same_or_says_why_not(copy, whole[1])
    assert opened <= 2


def test_a_header_that_is_another_but_possible_is_found_out(copy):
    for file in chunks(copy):
        data = file.read_bytes()
        assert data.count(b"0.0001") == 1
        file.write_bytes(data.replace(b"0.0001", b"0.0002"))
    with pytest.raises(TraceFileError, match="header is not the one that was written"):
        Trace.open(copy)


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_other_things_in_place_of_a_file_are_refused(copy, whole, kind):
    put_in_the_way(chunks(copy)[2], kind)
    assert not opens_to_the_same_or_says_why_not(copy, whole[1])
    if kind in ("device", "pipe", "directory"):
        with pytest.raises(TraceFileError, match=r"not a regular file|Is a directory"):
            Trace.open(copy)


def test_a_link_to_a_chunk_is_as_good_as_the_chunk(copy, whole):
    file = chunks(copy)[2]
    file.rename(copy / "moved")
    file.symlink_to(copy / "moved")
    assert opens_to_the_same_or_says_why_not(copy, whole[1])


def test_chunks_must_be_complete_and_of_one_run(copy, whole, tmp_path):
    files = chunks(copy)
    last = files[3].read_bytes()
    files[3].unlink()
    assert len(Trace.open(copy)) == 12  # as a killed training leaves it
    files[3].write_bytes(last)
    files[1].rename(tmp_path / "second")
    with pytest.raises(TraceFileError, match="chunk 1 of the run is missing"):
        Trace.open(copy)
    files[1].write_bytes(last)
    with pytest.raises(
        TraceFileError, match="first step is not the next after the last of '00000000"
    ):
        Trace.open(copy)
    table, header, body = take_apart((tmp_path / "second").read_bytes())
    header["alpha"] = 0.5
    files[1].write_bytes(put_together(table, header, body))
    with pytest.raises(TraceFileError, match="of another run than '00000000"):
        Trace.open(copy)


def test_a_chunk_of_another_run_of_the_same_shape_is_found_out(copy, tmp_path):
    X, y = classes("multiclass", seed=6)
    other = tmp_path / "recorded again"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_buffer, "CHUNK_STEPS", 4)
        model = BackpropMLPClassifier(
            (5,), batch_size=16, max_iter=4, n_iter_no_change=np.inf, random_state=1
        )
        variables = Trace.open(copy).recorded[0].variables
        model.set_callbacks(TraceRecorder(list(variables), path=other)).fit(X, y)
    shutil.copy(chunks(other)[2], chunks(copy)[2])
    with pytest.raises(TraceFileError, match="of another run than '00000001"):
        Trace.open(copy)


def test_epochs_that_run_backwards_from_chunk_to_chunk(copy):
    """Forged with the right checksum: sound in itself, and not after the one before."""
    files = chunks(copy)

    def first_epoch(array):
        array[:] = 0

    files[2].write_bytes(with_array(files[2].read_bytes(), "epochs", first_epoch))
    with pytest.raises(TraceFileError, match="epochs run backwards from those of '00000001"):
        Trace.open(copy)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, value)
            for name in ("indices", "epochs", "n_patterns")
            for value in (-1, 2**62, -(2**63))
        ),
        *(("indices", 0), ("indices", 3), ("epochs", 3), ("n_patterns", 0), ("n_patterns", 17)),
    ],
)
def test_forged_steps_that_no_training_has_are_refused(copy, name, value):
    """Forged with the right checksum."""

    def change(array):
        array[1] = value

    file = chunks(copy)[0]
    file.write_bytes(with_array(file.read_bytes(), name, change))
    with pytest.raises(
        TraceFileError, match=r"its steps are not|its epochs run|a step has no patterns"
    ):
        Trace.open(copy)


def test_arrays_that_share_their_bytes_are_refused(copy):
    file = chunks(copy)[0]
    table, header, body = take_apart(file.read_bytes())
    table["gradients"]["data_offsets"] = table["updates"]["data_offsets"]
    file.write_bytes(put_together(table, header, body))
    with pytest.raises(TraceFileError, match="leave a gap or overlap"):
        Trace.open(copy)


def test_a_file_that_changes_after_opening_is_found_out(copy):
    trace = Trace.open(copy)
    file = chunks(copy)[1]
    before = file.read_bytes()
    file.write_bytes(before[:-8])
    with pytest.raises(TraceFileError, match="has changed since it was opened"):
        _ = trace.updates
    file.write_bytes(before[:-400] + bytes(400))
    with pytest.raises(TraceFileError, match=r"the bytes of .* are not those that were written"):
        values(trace)


def test_a_rule_file_is_no_chunk(copy):
    from sklearn_metabp import LearnedUpdateRule

    LearnedUpdateRule(random_state=0).fit(Trace.open(copy)).save(chunks(copy)[0])
    with pytest.raises(
        TraceFileError, match="its kind is 'sklearn_metabp rule 1' and not 'sklearn_metabp trace 1'"
    ):
        Trace.open(copy)


FUNCTION = """
def read(path):
    trace = Trace.open(path)
    trace.params, trace.losses
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_huge_sizes_take_no_memory(whole, tmp_path):
    file = chunks(whole[0])[0]
    table, header, body = take_apart(file.read_bytes())
    n_params = table["updates"]["shape"][1]
    forged = [
        put_together(table, header, body, length=2**63 - 1),
        put_together(table, header, body, length=10**9),
        put_together(
            {**table, "updates": table["updates"] | {"shape": [2**40, n_params]}}, header, body
        ),
        put_together(
            {**table, "updates": {**table["updates"], "data_offsets": [0, 2**45]}}, header, body
        ),
        put_together(table, header | {"layer_sizes": [2**31, 2**31]}, body),
        put_together(table, header | {"layer_sizes": [2**30] * 9000}, body),
        put_together(table, header | {"max_patterns": 2**50}, body),
        put_together(table, header | {"variables": ["activations"], "max_patterns": 2**50}, body),
        (2**26).to_bytes(8, "little") + b'{"a":[' + b"[]," * (2**26 // 3) + b"[]]}" + body,
        (2**20).to_bytes(8, "little") + b"[" * 2**20 + body,
        (2**20).to_bytes(8, "little")
        + (b'{"a":[' + b"[]," * (2**20 // 3 - 4) + b"[]]}").ljust(2**20)
        + body,
    ]
    for number, data in enumerate(forged):
        folder = tmp_path / str(number) / file.parent.name
        folder.mkdir(parents=True)
        (folder / file.name).write_bytes(data)
    program = UNDER_A_LIMIT.format(
        names="Trace, TraceFileError", function=FUNCTION, error="TraceFileError", more=100 * 2**20
    )
    paths = "\n".join(str(tmp_path / str(number)) for number in range(len(forged)))
    done = subprocess.run(
        [sys.executable, "-c", program], input=paths, capture_output=True, text=True
    )
    assert done.stdout == "done\n", done.stderr
