"""Writing a run to disk, a chunk at a time, while the training goes on."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sklearn_metabp.tracing.chunks import FIRST_PARAMS, KIND, RunHeader, layer_name
from sklearn_metabp.tracing.files import write_file
from sklearn_metabp.tracing.run import SCALARS, RecordedSteps, stored_names
from sklearn_metabp.tracing.variables import OF_LAYERS, OF_PATTERNS

# Two of them are held: large enough that flushing does not count, small enough for the caches.
CHUNK_BYTES = 4 * 2**20
CHUNK_STEPS = 4096
CHUNK_SUFFIX = ".safetensors"


class _Buffer:
    """Room for the steps of one chunk."""

    def __init__(self, header: RunHeader):
        rows = header.rows()
        row_bytes = sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in rows.values())
        self.n_rows = max(1, min(CHUNK_STEPS, CHUNK_BYTES // row_bytes))
        self.arrays = {name: np.empty((self.n_rows, *shape), dtype) for name, (dtype, shape) in rows.items()}
        self.first = {}
        if header.sums_updates:
            self.first[FIRST_PARAMS] = np.empty(header.network.layout.n_params, header.dtype)
        self._stored = [name for name in stored_names(header.variables) if name in self.arrays]
        self._layered = [
            (name, [self.arrays[layer_name(name, layer)] for layer in range(header.n_layers_of(name))])
            for name in stored_names(header.variables)
            if name in OF_LAYERS
        ]
        self.n_used = 0

    def append(self, step) -> None:
        """Copy a step; it counts when all of it is there."""
        row = self.n_used
        for name, plural in SCALARS.items():
            self.arrays[plural][row] = getattr(step, name)
        if row == 0 and self.first:
            self.first[FIRST_PARAMS][...] = step.params
        for name in self._stored:
            value = getattr(step, name)
            if name in OF_PATTERNS:
                _fill_patterns(self.arrays[name][row], value)
            else:
                self.arrays[name][row] = value
        for name, columns in self._layered:
            for column, layer in zip(columns, getattr(step, name), strict=True):
                _fill_patterns(column[row], layer)
        self.n_used = row + 1

    def used(self) -> dict[str, np.ndarray]:
        """What has been filled."""
        return {name: array[: self.n_used] for name, array in self.arrays.items()} | self.first


def _fill_patterns(row: np.ndarray, patterns: np.ndarray) -> None:
    row[: len(patterns)] = patterns
    row[len(patterns) :] = np.nan


class RunWriter:
    """Records a training into a folder of its own.

    A full chunk is written by a thread while the next one fills; what both hold is what a training
    that is killed loses. The two are used in turns, because fresh memory costs as much as writing.

    Parameters
    ----------
    folder : Path
        Made here; must not exist.
    header : RunHeader
    recorded_steps : RecordedSteps
    """

    def __init__(self, folder: Path, header: RunHeader, recorded_steps: RecordedSteps):
        self.folder, self.header, self.recorded_steps = folder, header, recorded_steps
        try:
            os.makedirs(folder)
        except OSError as error:
            raise _said(error, f"the trace cannot be written to {str(folder)!r}") from error
        self._number = self._n_kept = 0
        self._next_index = recorded_steps.first_index
        self._failed = False
        self._filling: _Buffer | None = None
        self._idle: _Buffer | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._writing: tuple[Future, _Buffer] | None = None

    def goes_on_with(self, step) -> bool:
        """Whether a step is the next of this run."""
        return (
            not self._failed
            and step.index == self._next_index
            and step.n_patterns <= self.header.max_patterns
            and step.network == self.header.network
        )

    def append(self, step) -> None:
        """Copy a step, and hand over the chunk that it fills.

        Raises
        ------
        OSError
            If an earlier chunk could not be written.
        """
        if step.index in self.recorded_steps:
            if self._filling is None:
                self._filling, self._idle = self._idle or _Buffer(self.header), None
            self._filling.append(step)
        # Ctrl-C before this leaves a run that nothing goes on with, and not one with a step missing.
        self._next_index = step.index + 1
        if self._filling is not None and self._filling.n_used == self._filling.n_rows:
            self._hand_over(self._filling)

    def _hand_over(self, full: _Buffer) -> None:
        """Let the thread write a chunk, after the one that it is writing."""
        self._wait()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "trace writer")
        future = self._thread.submit(self._write, full, self._number)
        self._writing, self._filling, self._number = (future, full), None, self._number + 1

    def _write(self, buffer: _Buffer, number: int) -> None:
        write_file(self.folder / f"{number:08d}{CHUNK_SUFFIX}", KIND, self.header.to_json(), buffer.used())
        self._n_kept += buffer.n_used

    def _wait(self) -> None:
        """Wait for the chunk that is being written."""
        if self._writing is not None:
            future, buffer = self._writing
            try:
                future.result()
            except OSError as error:
                raise self._failure(error) from error
            buffer.n_used = 0
            self._writing, self._idle = None, buffer

    def flush(self) -> None:
        """Write what there is as a chunk, and let go of the memory; more steps may follow.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        # Until all is written: what is interrupted on the way is not gone on with.
        going_on, self._failed = not self._failed, True
        try:
            self._wait()
            if self._filling is not None and self._filling.n_used:
                try:
                    self._write(self._filling, self._number)
                except OSError as error:
                    raise self._failure(error) from error
                self._number += 1
        finally:
            if self._thread is not None:
                self._thread.shutdown()
            self._thread = self._writing = self._filling = self._idle = None
        self._failed = not going_on

    def _failure(self, error: OSError) -> OSError:
        self._failed = True
        self._writing = self._filling = None
        return _said(
            error,
            f"the trace cannot be written to {str(self.folder)!r}; the first {self._n_kept} recorded "
            f"steps of this run are kept there, the later ones are lost",
        )


def _said(error: OSError, what: str) -> OSError:
    """The same error, with its number, that says what could not be done."""
    return OSError(error.errno, f"{what}: {error.strerror or error}")
