"""The writer of a safetensors file, at once or piece by piece.

The file gets its name when it is complete.
"""

import json
import os
import sys
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_metabp.tracing.files import (
    CHECKSUMS,
    DTYPES,
    MAX_HEADER_BYTES,
    PREFIX_BYTES,
    checksum,
    n_pieces,
)
from sklearn_metabp.tracing.leftovers import Hold, remove_leftovers_of, temporary_path

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ALIGNMENT = 8

Shape = tuple[np.dtype, tuple[int, ...]]


class FileLayout:
    """The layout of files of one shape: the bytes before the arrays, and the place of every array.

    Parameters
    ----------
    kind : str
        Kind of the file, with the version of its format.
    header : dict
        Values that JSON can hold.
    rows : dict of (dtype, shape)
        Dtype (float64, float32 or int64) and shape of every array, with the steps as first axis.
    piece_rows : int
        Length of a piece along the first axis. A shorter array is not in the later pieces.

    Attributes
    ----------
    names : list of str
        Names of the arrays, in the order of their checksums.
    starts : dict of int
        Offset of every array in the file.
    head : bytes
        The bytes before the arrays.
    size : int
        Number of bytes of the file.
    """

    def __init__(self, kind: str, header: dict, rows: Mapping[str, Shape], piece_rows: int):
        self.piece_rows, self.names = piece_rows, sorted(rows)
        pieces = n_pieces((shape for _, shape in rows.values()), piece_rows)
        rows = {**rows, CHECKSUMS: (DTYPES["I64"], (pieces, len(rows)))}
        text = json.dumps({**header, "piece_rows": piece_rows}, allow_nan=False)
        table: dict[str, Any] = {
            "__metadata__": {
                "kind": kind,
                "header": text,
                "checksum": str(zlib.crc32(text.encode())),
            }
        }
        start = 0
        # The widest dtype first, so that all arrays are aligned.
        for name, (dtype, shape) in sorted(rows.items(), key=lambda item: -item[1][0].itemsize):
            stop = start + dtype.itemsize * int(np.prod(shape))
            known = _NAMES[dtype.newbyteorder("<")]
            table[name] = {"dtype": known, "shape": list(shape), "data_offsets": [start, stop]}
            start = stop
        encoded = json.dumps(table).encode()
        encoded += b" " * (-(PREFIX_BYTES + len(encoded)) % _ALIGNMENT)
        if len(encoded) > MAX_HEADER_BYTES:
            raise ValueError(
                f"a header of {len(encoded)} bytes is too long: {len(rows)} arrays are too many."
            )
        self.head = len(encoded).to_bytes(PREFIX_BYTES, "little") + encoded
        self.starts = {name: len(self.head) + table[name]["data_offsets"][0] for name in rows}
        self.size = len(self.head) + start


class FileWriter:
    """A file that is filled under a temporary name, a piece of every array at a time.

    It has its header and its length from the beginning. A piece is valid when its checksums are
    written, so a reader finds out which pieces there are. Nothing is flushed to the disk before the
    end.

    Parameters
    ----------
    path : Path
        Final name; a file of that name is replaced.
    beside : Path
        Temporary name, which must not exist.
    layout : FileLayout

    Raises
    ------
    OSError
        If it cannot be made. Then no part of it is left.
    """

    def __init__(self, path: Path, beside: Path, layout: FileLayout):
        self._path, self._beside, self._layout = path, beside, layout
        self.n_sound = 0  # number of complete pieces
        self._file = open(beside, "xb", buffering=0)  # noqa: SIM115
        try:
            _write(self._file, 0, layout.head)
            self._file.truncate(layout.size)
        except BaseException:
            self.discard()
            raise

    def write(self, piece: int, arrays: dict[str, np.ndarray]) -> None:
        """Write a piece of every array, and then the checksums.

        Parameters
        ----------
        piece : int
            Number of the piece, from 0.
        arrays : dict of ndarray
            The piece of every array, C-contiguous.
        """
        layout = self._layout
        checksums = np.empty(len(layout.names), DTYPES["I64"])
        for position, name in enumerate(layout.names):
            array = arrays[name]
            if len(array):
                row_bytes = array.nbytes // len(array)
                _write(
                    self._file, layout.starts[name] + piece * layout.piece_rows * row_bytes, array
                )
            checksums[position] = checksum(array)
        _write(self._file, layout.starts[CHECKSUMS] + piece * checksums.nbytes, checksums)
        self.n_sound = piece + 1

    def finish(self) -> None:
        """Flush the file to the disk and rename it.

        Raises
        ------
        OSError
            If that is not possible. Then no part of it is left.
        """
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._beside, self._path)
        except BaseException:
            self.discard()
            raise
        _flush_names(self._path.parent)

    def leave(self) -> None:
        """Close the file and leave its complete pieces; remove it if there are none."""
        if self.n_sound == 0 or self._path.exists():
            self.discard()
        else:
            with suppress(OSError):
                self._file.close()

    def discard(self) -> None:
        """Close the file and remove it."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._beside.unlink()


def write_file(path: Path, kind: str, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write a file of one piece under a temporary name, flush it to the disk and rename it.

    Temporary files for the same name that killed processes have left are removed.

    Parameters
    ----------
    path : Path
        A file of that name is replaced.
    kind : str
        Kind of the file, with the version of its format.
    header : dict
        Values that JSON can hold.
    arrays : dict of ndarray
        float64, float32 or int64, C-contiguous.

    Raises
    ------
    OSError
        If it cannot be written. Then no part of it is left.
    """
    remove_leftovers_of(path)
    rows = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    layout = FileLayout(kind, header, rows, max(map(len, arrays.values())))
    writer, hold = _begin_and_lock(path, layout)
    try:
        try:
            writer.write(0, arrays)
        except BaseException:
            writer.discard()
            raise
        writer.finish()
    finally:
        hold.close()


def _begin_and_lock(path: Path, layout: FileLayout) -> tuple[FileWriter, Hold]:
    """Begin a file under a temporary name, and lock it so that no process removes it."""
    while True:
        beside = temporary_path(path)
        writer = FileWriter(path, beside, layout)
        try:
            hold = Hold.on(beside)
        except BaseException:
            writer.discard()
            raise
        if hold is not None:
            return writer, hold
        writer.discard()


def _flush_names(folder: Path) -> None:
    """Flush the names in a folder, where possible, so that a power failure keeps the new name."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):  # the file itself is on the disk already
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _write(file: Any, offset: int, data: Any) -> None:
    """Write bytes at an offset, little-endian."""
    if sys.byteorder == "big" and isinstance(data, np.ndarray):
        data = data.astype(data.dtype.newbyteorder("<"))
    rest = memoryview(data).cast("B")
    if hasattr(os, "pwrite"):
        descriptor = file.fileno()
        while rest:
            n_written = os.pwrite(descriptor, rest, offset)
            rest, offset = rest[n_written:], offset + n_written
    else:
        file.seek(offset)
        while rest:
            rest = rest[file.write(rest) :]
