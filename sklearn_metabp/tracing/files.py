"""The reader of a safetensors file, which does not trust the file.

The format is that of safetensors: eight bytes with the length of the header, the header in JSON,
the arrays. One array, ``checksums``, has a row for every piece of the other arrays, with one number
for every array, sorted by name. The files are not read and written by the library: a reader has to
check the file before it allocates memory, and a writer gets its arrays piece by piece and has to
report the error of the system that stopped it.
"""

import json
import math
import os
import stat
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "F32": np.dtype("<f4"),
}
CHECKSUMS = "checksums"
PREFIX_BYTES = 8
# A prime, so that data that are moved by whole pages change their column.
_COLUMNS = 1021
# JSON takes up to thirty times its length in memory, so a header as long as the data is refused.
MAX_HEADER_BYTES = 2**20


def n_pieces(shapes: Iterable[tuple[int, ...]], piece_rows: int) -> int:
    """Return the number of pieces of arrays of these shapes: that of the longest array."""
    return -(-max(shape[0] for shape in shapes) // piece_rows)


def checksum(rows: np.ndarray) -> int:
    """Compute the CRC-32 of an array's words of 32 bits, or of the sums of their columns.

    Every single flipped bit changes it, as it changes the CRC-32 of all words, which takes ten
    times as long.
    """
    words = rows.reshape(-1).view("<u4")
    n_folded = len(words) // _COLUMNS * _COLUMNS
    if not n_folded:
        return zlib.crc32(words.data)
    sums = np.add.reduce(words[:n_folded].reshape(-1, _COLUMNS), axis=0, dtype="<u4")
    return zlib.crc32(words[n_folded:].data, zlib.crc32(sums.data))


@dataclass(frozen=True)
class ArraySpec:
    """Dtype, shape and offset of an array in a file."""

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class CheckedFile:
    """A file whose header has been read and checked. Its arrays are mapped when they are read.

    Attributes
    ----------
    path : Path
    size : int
        Number of bytes.
    header : dict
        The header of the writer. Its contents are not checked yet.
    specs : dict of ArraySpec
        Together with the checksums they fill the file, without a gap or an overlap.
    piece_rows : int
        Length of a piece along the first axis.
    checksums : dict of ndarray of shape (n_pieces,)
        Checksum of every piece of every array.
    error : type
        Exception to raise.
    """

    path: Path
    size: int
    header: dict
    specs: dict[str, ArraySpec]
    piece_rows: int
    checksums: dict[str, np.ndarray]
    error: type[ValueError]
    _verified: set[str] = field(default_factory=set)
    _loaded: dict[str, np.ndarray] = field(default_factory=dict)

    def array(self, name: str) -> np.ndarray:
        """Return a read-only view of an array in the file; check its checksums the first time.

        Raises
        ------
        error
            If the bytes differ from those that were written, or cannot be read.
        """
        if name in self._loaded:
            return self._loaded[name]
        array = self._mapped(name)
        if name not in self._verified:
            if not all(
                self._is_sound(name, array, piece) for piece in range(len(self.checksums[name]))
            ):
                raise self.fault(f"the bytes of {name!r} are not those that were written")
            self._verified.add(name)
        return array

    def _mapped(self, name: str) -> np.ndarray:
        spec = self.specs[name]
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size != self.size:
                    raise self.fault("it has changed since it was opened")
                return np.asarray(np.memmap(file, spec.dtype, "r", spec.offset, spec.shape))
        except OSError as error:
            raise self.fault(f"it cannot be read: {error.strerror or error}") from error

    def _is_sound(self, name: str, array: np.ndarray, piece: int) -> bool:
        rows = array[piece * self.piece_rows : (piece + 1) * self.piece_rows]
        return checksum(rows) == self.checksums[name][piece]

    def so_far(self) -> "CheckedFile":
        """Read the complete pieces of an unfinished file into memory.

        Raises
        ------
        error
            If there is none, or it cannot be read.
        """
        arrays = {name: self._mapped(name) for name in self.specs}
        pieces = len(next(iter(self.checksums.values())))
        written = 0
        while written < pieces and all(
            self._is_sound(name, arrays[name], written) for name in arrays
        ):
            written += 1
        if not written:
            raise self.fault("nothing of it has been written yet")
        loaded = {name: array[: written * self.piece_rows].copy() for name, array in arrays.items()}
        specs = {
            name: replace(self.specs[name], shape=array.shape) for name, array in loaded.items()
        }
        return replace(self, specs=specs, _loaded=loaded)

    def fault(self, what: str) -> ValueError:
        """Return the error that describes a fault of this file."""
        return self.error(f"{str(self.path)!r}: {what}.")


def open_file(path: Path, kind: str, error: type[ValueError]) -> CheckedFile:
    """Read the header of a file and check the file against it.

    Parameters
    ----------
    path : Path
    kind : str
        Required kind of the file.
    error : type
        Exception to raise.

    Raises
    ------
    error
        If the file is of another kind or not complete. Only the header is read, and only a small
        multiple of its length is allocated.
    """
    try:
        size, raw = _read_header(path)
        table = _parse(raw)
        metadata, specs = _checked_table(table, size, PREFIX_BYTES + len(raw))
        if metadata.get("kind") != kind:
            raise _FaultError(
                f"its kind is {metadata.get('kind', 'unknown')[:80]!r} and not {kind!r}"
            )
        text = metadata.get("header", "").encode(errors="surrogatepass")
        if metadata.get("checksum") != str(zlib.crc32(text)):
            raise _FaultError("its header is not the one that was written")
        header = _parse(text)
        piece_rows, checksums = _checked_checksums(path, header.pop("piece_rows", None), specs)
    except _FaultError as fault:
        raise error(f"{str(path)!r}: {fault}.") from fault.__cause__
    except OSError as fault:
        raise error(f"{str(path)!r}: it cannot be read: {fault.strerror or fault}.") from fault
    return CheckedFile(path, size, header, specs, piece_rows, checksums, error)


class _FaultError(Exception):
    """A fault of a file, raised where the path of the file is not at hand."""


def _read_header(path: Path) -> tuple[int, bytes]:
    # Without O_NONBLOCK, opening a pipe would wait for a writer.
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _FaultError("it is not a regular file")
        prefix, brace = file.read(PREFIX_BYTES), file.read(1)
        length = int.from_bytes(prefix, "little")
        if brace not in (b"{", b""):
            what = (
                ", but what looks like a pickle: see joblib.load"
                if prefix.startswith(b"\x80")
                else ""
            )
            raise _FaultError(f"it is no safetensors file{what}")
        if len(prefix) < PREFIX_BYTES or length > status.st_size - PREFIX_BYTES:
            raise _FaultError(f"it is cut short: {status.st_size} bytes cannot hold its header")
        if length > MAX_HEADER_BYTES:
            raise _FaultError(f"its header has {length} bytes, and {MAX_HEADER_BYTES} are allowed")
        raw = (brace + file.read(max(0, length - 1)))[:length]
        if len(raw) != length:
            raise _FaultError("it is cut short")
        return status.st_size, raw


def _parse(raw: bytes) -> dict:
    try:
        parsed = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise _FaultError(f"its header is not JSON: {str(error)[:200]}") from error
    if not isinstance(parsed, dict):
        raise _FaultError("its header is not a JSON object")
    return parsed


def _unique(pairs: list) -> dict:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _checked_table(
    table: dict, size: int, begin: int
) -> tuple[dict[str, str], dict[str, ArraySpec]]:
    metadata = table.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise _FaultError("it has no metadata of ours")
    specs, spans = {}, []
    for name, entry in table.items():
        dtype, shape, start, stop = _checked_entry(name, entry, size)
        if math.prod(shape) * dtype.itemsize != stop - start:
            raise _FaultError(f"{name!r} has the shape {shape} and {stop - start} bytes")
        if (begin + start) % dtype.itemsize:
            raise _FaultError(f"{name!r} begins at byte {begin + start}, which is not aligned")
        specs[name] = ArraySpec(dtype, shape, begin + start)
        spans.append((start, stop))
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise _FaultError(f"its arrays leave a gap or overlap at byte {begin + end}")
        end = stop
    if begin + end != size:
        raise _FaultError(f"its arrays end at byte {begin + end}, and it has {size}")
    return metadata, specs


def _checked_checksums(
    path: Path, piece_rows: Any, specs: dict[str, ArraySpec]
) -> tuple[int, dict[str, np.ndarray]]:
    """Remove the checksums from the arrays and read them."""
    spec = specs.pop(CHECKSUMS, None)
    if type(piece_rows) is not int or piece_rows < 1:
        raise _FaultError("its pieces have no rows")
    shape = (
        (n_pieces((other.shape for other in specs.values()), piece_rows), len(specs))
        if specs
        else None
    )
    if spec is None or spec.shape != shape or spec.dtype != DTYPES["I64"]:
        raise _FaultError("its checksums are not those of its arrays")
    table = np.fromfile(path, spec.dtype, math.prod(spec.shape), offset=spec.offset)
    if table.size != math.prod(spec.shape):
        raise _FaultError("it is cut short")
    return piece_rows, dict(zip(sorted(specs), table.reshape(spec.shape).T, strict=True))


def _checked_entry(name: str, entry: Any, size: int) -> tuple[np.dtype, tuple[int, ...], int, int]:
    """Return dtype, shape, start and stop of an array; check that none exceeds ``size``."""

    def is_size(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= size

    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _FaultError(f"{name[:80]!r} has no dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _FaultError(f"{name[:80]!r} has a dtype that is none of {sorted(DTYPES)}")
    if not isinstance(shape, list) or not 1 <= len(shape) <= 3 or not all(map(is_size, shape)):
        raise _FaultError(f"{name[:80]!r} has a shape that is none")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(is_size, offsets)):
        raise _FaultError(f"{name[:80]!r} has offsets outside of the file")
    if offsets[0] >= offsets[1]:
        raise _FaultError(f"{name[:80]!r} is empty")
    return DTYPES[dtype], tuple(shape), offsets[0], offsets[1]
