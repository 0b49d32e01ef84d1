"""Files of traces and rules: errors that a checksum finds, and files that grow."""

import os
import pickle
import zlib

import numpy as np
import pytest

from sklearn_metabp.tracing.file_writer import FileLayout, FileWriter, write_file
from sklearn_metabp.tracing.files import checksum, open_file

KIND = "a test"
ROWS = {
    "a": (np.dtype(float), (7, 3)),
    "b": (np.dtype(np.float32), (7, 2, 5)),
    "c": (np.dtype(np.int64), (7,)),
    "first": (np.dtype(np.float32), (1, 9)),
}


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: (100 * rng.standard_normal(shape)).astype(dtype)
        for name, (dtype, shape) in ROWS.items()
    }


@pytest.mark.parametrize("n_words", [1, 2, 999, 1021, 1022, 2042, 5000])
def test_a_checksum_finds_every_flipped_bit_and_what_is_not_there(n_words):
    rng = np.random.default_rng(n_words)
    words = rng.integers(0, 2**32, n_words, dtype=np.uint32)
    right = checksum(words)
    assert checksum(words.copy()) == right
    for position in rng.permutation(32 * n_words)[:500]:
        words[position // 32] ^= np.uint32(1) << np.uint32(position % 32)
        assert checksum(words) != right
        words[position // 32] ^= np.uint32(1) << np.uint32(position % 32)
    for start in range(0, n_words, 1024):  # a page
        missing = words.copy()
        missing[start : start + 1024] = 0
        assert checksum(missing) != right
    if n_words > 2048:
        swapped = np.concatenate([words[1024:2048], words[:1024], words[2048:]])
        assert checksum(swapped) != right


def test_a_checksum_by_hand():
    assert checksum(np.frombuffer(b"123456789abc", "<f4")) == zlib.crc32(b"123456789abc")
    words = np.random.default_rng(0).integers(0, 2**32, 2 * 1021 + 5, dtype=np.uint64)
    sums = (words[:1021] + words[1021:2042]) % 2**32
    expected = zlib.crc32(np.concatenate([sums, words[2042:]]).astype("<u4").tobytes())
    assert checksum(words.astype("<u4")) == expected
    assert checksum(np.zeros(0)) == 0


@pytest.mark.parametrize("has_pwrite", [True, False])
def test_a_file_that_grew_is_the_file_that_was_written_at_once(tmp_path, monkeypatch, has_pwrite):
    if not has_pwrite:
        monkeypatch.delattr(os, "pwrite", raising=False)
    written, path, beside = arrays(), tmp_path / "grown", tmp_path / "growing"
    writer = FileWriter(path, beside, FileLayout(KIND, {"x": 1}, ROWS, 3))
    with pytest.raises(ValueError, match="nothing of it has been written yet"):
        open_file(beside, KIND, ValueError).so_far()
    for piece in range(3):
        rows = slice(3 * piece, 3 * piece + 3)
        writer.write(piece, {name: array[rows] for name, array in written.items()})
        so_far = open_file(beside, KIND, ValueError).so_far()
        for name, array in written.items():
            np.testing.assert_array_equal(so_far.array(name), array[: 3 * piece + 3])
    assert not path.exists()
    writer.finish()
    assert os.listdir(tmp_path) == ["grown"]
    write_file(tmp_path / "at once", KIND, {"x": 1}, written)
    for file in (path, tmp_path / "at once"):
        opened = open_file(file, KIND, ValueError)
        assert opened.header == {"x": 1}
        for name, array in written.items():
            np.testing.assert_array_equal(opened.array(name), array)
            assert opened.array(name).dtype == array.dtype


def test_a_writer_does_not_write_over_another(tmp_path):
    layout = FileLayout(KIND, {}, ROWS, 3)
    writer = FileWriter(tmp_path / "file", tmp_path / "beside", layout)
    with pytest.raises(FileExistsError):
        FileWriter(tmp_path / "file", tmp_path / "beside", layout)
    writer.discard()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            pickle.dumps(np.zeros(100)),
            "it is no safetensors file, but what looks like a pickle: see joblib.load",
        ),
        (b"PK\x03\x04" + bytes(100), "it is no safetensors file"),
        (b"x,y\n1,2\n" * 9, "it is no safetensors file"),
        (b"", "it is cut short: 0 bytes"),
        ((2).to_bytes(8, "little") + b"{", "it is cut short"),
    ],
    ids=["pickle", "zip", "text", "empty", "half"],
)
def test_a_file_of_another_kind_is_distinguished_from_a_truncated_one(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_file(tmp_path / "file", "kind", ValueError)
