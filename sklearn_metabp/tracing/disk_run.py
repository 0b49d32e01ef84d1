"""A recorded training on disk, which is read chunk by chunk."""

from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_metabp.tracing.chunks import (
    FIRST_PARAMS,
    Chunk,
)
from sklearn_metabp.tracing.columns import write_entries
from sklearn_metabp.tracing.run import RecordedStep, RecordedSteps, Run
from sklearn_metabp.tracing.variables import SCALARS, VARIABLES, TraceVariable


class DiskRun(Run):
    """One recorded training in a folder.

    The scalars are in memory. The arrays of a chunk are mapped into memory while they are read. A
    pickle holds the path of the folder.

    Parameters
    ----------
    folder : Path
    chunks : list of Chunk
        At least one, in order. The caller has checked that they follow one another.
    reopen : callable
        Opens the run in a folder; called when a run is unpickled.
    """

    def __init__(self, folder: Path, chunks: list[Chunk], reopen: Callable[[Path], "DiskRun"]):
        header = chunks[0].header
        self._folder, self._chunks, self._reopen = folder, chunks, reopen
        self.network, self.variables = header.network, header.variables
        self.dtype, self.adds_updates, self.task = header.dtype, header.adds_updates, header.task
        self.scalars = {
            v.name_in_trace: np.concatenate([c.scalars[v.name_in_trace] for c in chunks])
            for v in SCALARS
        }
        self.max_patterns = header.max_patterns or int(self.scalars["n_patterns"].max())
        self.recorded_steps = RecordedSteps(int(self.scalars["indices"][0]), header.every)
        self._starts = np.cumsum([0] + [chunk.n_steps for chunk in chunks])

    @property
    def identity(self) -> Hashable:
        """Folder and random number of the run."""
        return self._folder, self._chunks[0].header.run_id

    @property
    def is_whole(self) -> bool:
        """Whether all steps from the first one on are known; see :attr:`Run.is_whole`."""
        return self.recorded_steps.every == 1 and self.recorded_steps.first_index == 1

    def fill(
        self, name: str, positions: np.ndarray, arrays: list[np.ndarray], places: np.ndarray
    ) -> None:
        """Write a variable at some recorded steps into rows of arrays; see :meth:`Run.fill`.

        Raises
        ------
        TraceFileError
            If a file is damaged.
        """
        chunk_of = np.searchsorted(self._starts, positions, "right") - 1
        for file_name, array in zip(VARIABLES[name].array_names(self.layout), arrays, strict=True):
            for number in np.unique(chunk_of):
                mine = np.flatnonzero(chunk_of == number)
                local = positions[mine] - self._starts[number]
                chunk = self._chunks[number]
                if name == "params" and chunk.header.sums_updates:
                    values = _params_of(chunk, int(local.max()) + 1)
                else:
                    values = chunk.file.array(file_name)
                write_entries(array, places[mine], values[local])

    def steps(
        self, *, recorded_only: bool = False, n_steps: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Iterate over the steps in order; see :meth:`Run.steps`.

        Raises
        ------
        TraceFileError
            If a file is damaged.
        """
        n_wanted = self.n_steps if n_steps is None else min(n_steps, self.n_steps)
        for chunk, start in zip(self._chunks, self._starts, strict=False):
            if start >= n_wanted:
                return
            arrays = {v.name: self._arrays_of(chunk, v) for v in self.stored_variables}

            def read(
                name: str, row: int, arrays: dict[str, list[np.ndarray]] = arrays
            ) -> list[np.ndarray]:
                return [array[row] for array in arrays[name]]

            for row in range(min(chunk.n_steps, n_wanted - start)):
                position = int(start) + row
                yield position, RecordedStep(self, position, partial(read, row=row))

    def _arrays_of(self, chunk: Chunk, variable: TraceVariable) -> list[np.ndarray]:
        if variable.name == "params" and chunk.header.sums_updates:
            return [_params_of(chunk, chunk.n_steps)]
        return [chunk.file.array(name) for name in variable.array_names(self.layout)]

    def __reduce__(self) -> tuple[Callable[[Path], "DiskRun"], tuple[Path]]:
        return self._reopen, (self._folder,)


def _params_of(chunk: Chunk, n_steps: int) -> np.ndarray:
    """Return the parameters before the first ``n_steps`` steps of a chunk.

    They are those at its start plus the running sum of the updates.
    """
    updates = chunk.file.array("updates")
    params = np.empty((n_steps, updates.shape[1]), updates.dtype)
    params[0] = chunk.file.array(FIRST_PARAMS)[0]
    with np.errstate(all="ignore"):
        for step in range(1, n_steps):
            np.add(params[step - 1], updates[step - 1], out=params[step])
    return params
