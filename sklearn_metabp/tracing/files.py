"""One safetensors file of ours: written whole or not at all, read without trusting it.

The format is that of safetensors: eight bytes with the length of the header, the header in JSON, the
arrays. It is read and written here rather than through the library, because a reader has to check
what it was given before it allocates, and a writer has to say which error of the system stopped it.
"""

import json
import math
import os
import stat
import uuid
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {"F64": np.dtype("<f8"), "I64": np.dtype("<i8"), "F32": np.dtype("<f4")}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_PREFIX_BYTES = 8
# JSON takes up to thirty times its length in memory: a header as long as the data is not one of ours.
MAX_HEADER_BYTES = 2**20
_ALIGNMENT = 8


def write_file(path: Path, kind: str, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write a file beside its name, flush it to the disk and rename it.

    Parameters
    ----------
    path : Path
        A file of that name is replaced.
    kind : str
        What the file is, with the version of its format.
    header : dict
        What JSON can hold.
    arrays : dict of ndarray
        float64, float32 or int64, C-contiguous.

    Raises
    ------
    OSError
        If it cannot be written; then no part of it is left.
    """
    # The widest first, so that all are aligned.
    arrays = dict(sorted(arrays.items(), key=lambda item: -item[1].itemsize))
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb", buffering=0) as file:
            _write(file, _head(kind, header, arrays))
            for array in arrays.values():
                _write(file, array)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _head(kind: str, header: dict, arrays: dict[str, np.ndarray]) -> bytes:
    # Adler-32 is a third of CRC-32's work, which would make the checksum the slowest part of writing.
    checksums = {name: zlib.adler32(array.data) for name, array in arrays.items()}
    text = json.dumps({**header, "checksums": checksums}, allow_nan=False)
    table: dict[str, Any] = {
        "__metadata__": {"kind": kind, "header": text, "checksum": str(zlib.crc32(text.encode()))}
    }
    start = 0
    for name, array in arrays.items():
        stop = start + array.nbytes
        dtype = _NAMES[array.dtype.newbyteorder("<")]
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    encoded = json.dumps(table).encode()
    encoded += b" " * (-(_PREFIX_BYTES + len(encoded)) % _ALIGNMENT)
    if len(encoded) > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {len(encoded)} bytes is too long: {len(arrays)} arrays are too many.")
    return len(encoded).to_bytes(_PREFIX_BYTES, "little") + encoded


def _write(file, data) -> None:
    if isinstance(data, np.ndarray):
        data = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]


@dataclass(frozen=True)
class ArraySpec:
    """Where an array is in a file."""

    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class CheckedFile:
    """A file whose header has been read and checked; its arrays are mapped when they are asked for.

    Attributes
    ----------
    path : Path
    size : int
        Bytes.
    header : dict
        What the writer gave, in whatever shape a forger may have brought it.
    specs : dict of ArraySpec
        They fill the file, without a gap or an overlap.
    error : type
        What to raise.
    """

    path: Path
    size: int
    header: dict
    specs: dict[str, ArraySpec]
    checksums: dict
    error: type[ValueError]
    _verified: set[str] = field(default_factory=set)

    def array(self, name: str) -> np.ndarray:
        """Read-only view of an array in the file; the first time it is compared with its checksum.

        Raises
        ------
        error
            If the bytes are not those that were written, or cannot be read.
        """
        spec = self.specs[name]
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size != self.size:
                    raise self.fault("it has changed since it was opened")
                mapped = np.memmap(file, spec.dtype, "r", spec.offset, spec.shape)
        except OSError as error:
            raise self.fault(f"it cannot be read: {error.strerror or error}") from error
        array = np.asarray(mapped)
        if name not in self._verified:
            if zlib.adler32(array.data) != self.checksums.get(name):
                raise self.fault(f"the bytes of {name!r} are not those that were written")
            self._verified.add(name)
        return array

    def fault(self, what: str) -> ValueError:
        """The error that says what is wrong with this file."""
        return self.error(f"{str(self.path)!r}: {what}.")


def open_file(path: Path, kind: str, error: type[ValueError]) -> CheckedFile:
    """Read a file's header and check that the file is what it says.

    Parameters
    ----------
    path : Path
    kind : str
        What the file must be.
    error : type
        What to raise.

    Raises
    ------
    error
        If it is not such a file, or not whole. No more is read than the header, and no more allocated
        than a small multiple of it.
    """
    try:
        size, raw = _read_header(path)
        table = _parse(raw)
        metadata, specs = _checked_table(table, size, _PREFIX_BYTES + len(raw))
        if metadata.get("kind") != kind:
            raise _FaultError(f"its kind is {metadata.get('kind', 'unknown')[:80]!r} and not {kind!r}")
        text = metadata.get("header", "").encode(errors="surrogatepass")
        if metadata.get("checksum") != str(zlib.crc32(text)):
            raise _FaultError("its header is not the one that was written")
        header = _parse(text)
        checksums = header.pop("checksums", None)
        if not isinstance(checksums, dict) or set(checksums) != set(specs):
            raise _FaultError("its checksums are not those of its arrays")
    except _FaultError as fault:
        raise error(f"{str(path)!r}: {fault}.") from fault.__cause__
    except OSError as fault:
        raise error(f"{str(path)!r}: it cannot be read: {fault.strerror or fault}.") from fault
    return CheckedFile(path, size, header, specs, checksums, error)


class _FaultError(Exception):
    """What is wrong, before it is known with which file."""


def _read_header(path: Path) -> tuple[int, bytes]:
    # A pipe would otherwise wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _FaultError("it is not a regular file")
        prefix = file.read(_PREFIX_BYTES)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < _PREFIX_BYTES or length > status.st_size - _PREFIX_BYTES:
            raise _FaultError(f"it is cut short: {status.st_size} bytes cannot hold its header")
        if length > MAX_HEADER_BYTES:
            raise _FaultError(f"its header has {length} bytes, and {MAX_HEADER_BYTES} are allowed")
        raw = file.read(length)
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


def _checked_table(table: dict, size: int, begin: int) -> tuple[dict[str, str], dict[str, ArraySpec]]:
    metadata = table.pop("__metadata__", None)
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
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


def _checked_entry(name: str, entry, size: int):
    """The dtype, shape, start and stop of an array; every number in them at most the file's size."""

    def is_size(value) -> bool:
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
    return DTYPES[dtype], tuple(shape), *offsets
