"""A recorded training in memory: what it was computed from, or copies of its steps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.tracing.columns import Column, pattern_row
from sklearn_metabp.tracing.run import SCALARS, RecordedSteps, Run, stored_step
from sklearn_metabp.tracing.teacher import TaughtStep
from sklearn_metabp.tracing.variables import OF_LAYERS, OF_PATTERNS


class MemoryRun(Run):
    """One recorded training in memory.

    Where the update rule is a function of the step and its state, the run holds what the training
    was computed from and computes a variable, to the same bits, when it is asked for: copying every
    step would cost many times the step itself. Elsewhere, and in what is pickled, the arrays are there.
    """

    def __init__(
        self,
        step: Step,
        variables: tuple[str, ...],
        *,
        every=1,
        max_steps=None,
        dtype=None,
        adds_updates=True,
    ):
        self.network, self.variables, self.adds_updates = step.network, variables, adds_updates
        self.scalars = {plural: [] for plural in SCALARS.values()}
        self.recorded_steps = RecordedSteps(step.index, every, max_steps)
        self.dtype = np.dtype(dtype or step.params.dtype)
        self.max_patterns = step.n_patterns
        self._next_index = step.index
        self._all_losses: list[float] = []
        self._replays: list[Any] = []
        self._arrays: dict[str, Any] = {}
        self._columns: dict[str, Any] = {}

    def goes_on_with(self, step: Step) -> bool:
        """Whether a step is the next of this run."""
        return step.index == self._next_index and step.network == self.network

    def is_known_by(self, *, adds_updates: bool, replayed: bool) -> bool:
        """Whether the steps of a fit are known in the same way as those before."""
        return adds_updates == self.adds_updates and replayed == bool(self._replays)

    def add_replay(self, replay) -> None:
        """Tell what the steps from here on are computed from."""
        self._replays.append((len(self._all_losses), replay))

    def append(self, step: Step | TaughtStep) -> None:
        """Take note of a step, and copy what cannot be computed again."""
        self._next_index = step.index + 1
        self._all_losses.append(step.loss)
        if not self.is_recorded(step.index):
            return
        for name, plural in SCALARS.items():
            self.scalars[plural].append(getattr(step, name))
        self.max_patterns = max(self.max_patterns, self.scalars["n_patterns"][-1])
        if not self._replays:
            self._copy(step, self.stored, self._columns, None)

    def _copy(self, step, names, columns: dict, n_rows: int | None) -> None:
        """Append a step's values to the columns of the given names."""
        for name in names:
            value = getattr(step, name)
            if name in OF_LAYERS:
                if name not in columns:
                    columns[name] = [self._pattern_column(layer, n_rows) for layer in value]
                for column, layer in zip(columns[name], value, strict=True):
                    pattern_row(column, layer)
            elif name in OF_PATTERNS:
                pattern_row(columns.setdefault(name, self._pattern_column(value, n_rows)), value)
            else:
                columns.setdefault(name, Column(value.shape, self.dtype, n_rows)).next_row()[...] = value

    def _pattern_column(self, layer: np.ndarray, n_rows: int | None) -> Column:
        return Column((self.max_patterns, layer.shape[1]), self.dtype, n_rows)

    def rows(self, name: str, positions: np.ndarray):
        """Array of a variable at some of the recorded steps; see :meth:`Run.rows`."""
        array = self._array(name)
        return [layer[positions] for layer in array] if isinstance(array, list) else array[positions]

    def _array(self, name: str):
        if name not in self.stored:
            raise KeyError(name)
        if name not in self._arrays or len(_first(self._arrays[name])) != self.n_steps:
            columns: dict[str, Any] = self._columns
            if self._replays:
                columns = {}
                # Those that are as long as the parameters are mostly wanted together.
                flat = [n for n in self.stored if n not in OF_LAYERS + OF_PATTERNS]
                names = flat if name in flat else [name]
                self.walk(lambda _, step: self._copy(step, names, columns, self.n_steps), recorded_only=True)
            for key, column in columns.items():
                several = isinstance(column, list)
                self._arrays[key] = [c.array() for c in column] if several else column.array()
        return self._arrays[name]

    def walk(self, visit: Callable[[int, Any], None], *, recorded_only=False, n_steps=None) -> None:
        """Call ``visit(position, step)`` for step after step; see :meth:`Run.walk`.

        Raises
        ------
        RuntimeError
            If the training, computed again, is not what was recorded.
        """
        n_wanted = self.n_steps if n_steps is None else min(n_steps, self.n_steps)
        if not self._replays:
            self._walk_arrays(visit, n_wanted)
            return
        position, n_seen, end = 0, 0, 0

        def step_ends(step: Step) -> bool:
            nonlocal position, n_seen
            if step.loss != self._all_losses[n_seen]:
                raise RuntimeError(
                    f"step {step.index} of the recorded training, computed again, has the loss {step.loss!r} "
                    f"and not {self._all_losses[n_seen]!r}: the rule is not a function of the step and its "
                    f"state. Set its class attribute replayable to False and record again."
                )
            recorded = self.is_recorded(step.index)
            if recorded or not recorded_only:
                visit(position, step)
            position += recorded
            n_seen += 1
            return position < n_wanted and n_seen < end

        ends = [begin for begin, _ in self._replays[1:]] + [len(self._all_losses)]
        for (_, replay), next_end in zip(self._replays, ends, strict=True):
            end = next_end
            if position < n_wanted:
                replay.walk(step_ends)

    def _walk_arrays(self, visit, n_wanted: int) -> None:
        arrays = {name: self._array(name) for name in self.stored}
        for position in range(n_wanted):
            values = {
                name: [layer[position] for layer in array] if isinstance(array, list) else array[position]
                for name, array in arrays.items()
            }
            visit(position, stored_step(self, position, values))

    @property
    def is_whole(self) -> bool:
        """Whether every step from the training's first on is known; see :attr:`Run.is_whole`."""
        known = bool(self._replays) or self.recorded_steps.every == 1
        return known and self.recorded_steps.first_index == 1

    def __getstate__(self):
        arrays = {name: self._array(name) for name in self.stored}
        return {**self.__dict__, "_arrays": arrays, "_columns": {}, "_replays": []}


def _first(array):
    return array[0] if isinstance(array, list) else array
