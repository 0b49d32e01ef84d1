"""One training, recorded: written step by step, read as arrays."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from sklearn_metabp.network import Network, ParameterLayout, Step
from sklearn_metabp.tracing.columns import Column, pattern_row
from sklearn_metabp.tracing.variables import OF_LAYERS, OF_PATTERNS

SCALARS = ("indices", "epochs", "n_patterns", "losses")


class Run:
    """One recorded training.

    Where the update rule is a function of the step and its state, the run holds what the training
    was computed from and computes a variable, to the same bits, when it is asked for: copying every
    step would cost many times the step itself. Elsewhere, and in what is pickled, the arrays are there.

    Attributes
    ----------
    network : Network
        Layers, activation functions and loss of what was trained.
    variables : tuple of str
        What is recorded.
    scalars : dict of list
        Of every recorded step: ``indices``, from 1, ``epochs``, ``n_patterns`` of the batch, ``losses``.
    """

    def __init__(self, step: Step, variables: tuple[str, ...], *, every=1, max_steps=None, dtype=None):
        self.network: Network = step.network
        self.variables = variables
        self.scalars: dict[str, list] = {name: [] for name in SCALARS}
        self._every, self._max_steps = every, max_steps
        self._dtype = np.dtype(dtype or step.params.dtype)
        self._first_index = self._next_index = step.index
        self._max_patterns = step.n_patterns
        self._all_losses: list[float] = []
        self._replays: list[Any] = []
        self._arrays: dict[str, Any] = {}
        self._columns: dict[str, Any] = {}

    @property
    def layout(self) -> ParameterLayout:
        """Which slice of a flat vector is what."""
        return self.network.layout

    @property
    def n_steps(self) -> int:
        """Number of recorded steps."""
        return len(self.scalars["indices"])

    @property
    def stored(self) -> tuple[str, ...]:
        """Names of the arrays that the recorded variables make."""
        flat = {
            "params": {"weights", "biases"},
            "gradients": {"gradients"},
            "updates": {"weight_updates", "bias_updates"},
        }
        names = [name for name, variables in flat.items() if variables & set(self.variables)]
        return (*names, *(name for name in self.variables if name in OF_LAYERS + OF_PATTERNS))

    def goes_on_with(self, step: Step) -> bool:
        """Whether a step is the next of this run."""
        return (
            step.index == self._next_index
            and step.network == self.network
            and step.n_patterns <= self._max_patterns
        )

    def add_replay(self, replay) -> None:
        """Tell what the steps from here on are computed from."""
        self._replays.append((len(self._all_losses), replay))

    def append(self, step: Step) -> None:
        """Take note of a step, and copy what cannot be computed again."""
        self._next_index = step.index + 1
        self._all_losses.append(step.loss)
        if not self.is_recorded(step.index):
            return
        scalars = self.scalars
        scalars["indices"].append(step.index)
        scalars["epochs"].append(step.epoch)
        scalars["n_patterns"].append(step.n_patterns)
        scalars["losses"].append(step.loss)
        if not self._replays:
            self._copy(step, self.stored, self._columns, None)

    def is_recorded(self, index: int) -> bool:
        """Whether the step of that number is one of the recorded ones."""
        due = (index - self._first_index) % self._every == 0
        return due and (
            self._max_steps is None or (index - self._first_index) // self._every < self._max_steps
        )

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
                columns.setdefault(name, Column(value.shape, self._dtype, n_rows)).next_row()[...] = value

    def _pattern_column(self, layer: np.ndarray, n_rows: int | None) -> Column:
        return Column((self._max_patterns, layer.shape[1]), self._dtype, n_rows)

    def __getitem__(self, name: str):
        """Array of a variable, first axis the recorded step; of a layered variable a list of them.

        Raises
        ------
        KeyError
            If it was not recorded.
        """
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
        """Call ``visit(position, step)`` for step after step, as long as there are.

        Parameters
        ----------
        visit : callable
            Gets the number of recorded steps before this one, and a :class:`Step` or what was stored
            of it. What it wants to keep it copies.
        recorded_only : bool, default=False
            Whether to pass over steps that were not recorded, where they are known.
        n_steps : int, default=None
            Stop after so many recorded steps; None for all.

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
        arrays = {name: self[name] for name in self.stored}
        for position in range(n_wanted):
            n = self.scalars["n_patterns"][position]
            values: dict[str, Any] = {
                name: self.scalars[plural][position] for name, plural in _SINGULAR.items()
            }
            for name, array in arrays.items():
                if name in OF_LAYERS:
                    values[name] = [layer[position, :n] for layer in array]
                else:
                    values[name] = array[position, :n] if name in OF_PATTERNS else array[position]
            visit(position, SimpleNamespace(network=self.network, layout=self.layout, **values))

    @property
    def is_whole(self) -> bool:
        """Whether every step from the first on is known, so that history can be computed along it."""
        return bool(self._replays) or self._every == 1

    def __getstate__(self):
        arrays = {name: self[name] for name in self.stored}
        return {**self.__dict__, "_arrays": arrays, "_columns": {}, "_replays": []}


_SINGULAR = {"index": "indices", "epoch": "epochs", "n_patterns": "n_patterns", "loss": "losses"}


def _first(array):
    return array[0] if isinstance(array, list) else array
