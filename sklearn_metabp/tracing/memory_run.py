"""A recorded training in memory: what it was computed from, or copies of its steps."""

import copy
import math
import uuid
import warnings
from array import array
from collections.abc import Iterator
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.tracing.parts import CopiedPart, ReplayedPart
from sklearn_metabp.tracing.run import RecordedSteps, Run, stored_step
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.teacher import TaughtStep
from sklearn_metabp.tracing.variables import SCALARS, VARIABLES, variables_in_file

# Of losses that another machine computes again: rounding grows along a training, and is not another
# training.
_REL_TOL, _ABS_TOL = 1e-3, 1e-6
_read_scalars = attrgetter(*(variable.name for variable in SCALARS))
# As many as a search has candidates, or a rule starts to learn from.
_FITS_OF_SAME_ROWS = 10


class MemoryRun(Run):
    """One recorded training in memory.

    Where the update rule is a function of the step and its state, a part of the run holds what its
    fit was computed from and computes a variable, to the same bits, when it is asked for: copying
    every step would cost many times the step itself. Of other rules, and where that takes less
    memory, it holds copies.

    Parameters
    ----------
    network : Network
    variables : tuple of str
    recorded_steps : RecordedSteps
    dtype : dtype
    task : Task
        Of its first fit.
    outer_key : str
        The same of all runs that were part of one outermost fit.
    adds_updates : bool
        As of a :class:`Run`.
    is_replayable : bool
        Whether the update rule is.

    Attributes
    ----------
    key : str
        The same of the parts of one run that come from a worker process.
    next_index : int
        Number of the step that goes on with the run.
    """

    task: Task

    def __init__(
        self,
        network,
        variables: tuple[str, ...],
        recorded_steps: RecordedSteps,
        dtype,
        task: Task,
        outer_key: str,
        *,
        adds_updates=True,
        is_replayable=False,
    ):
        self.network = copy.copy(
            network
        )  # without the buffers of the estimator's, which may be gone by then
        self.variables, self.adds_updates = variables, adds_updates
        self.recorded_steps, self.task, self.outer_key = recorded_steps, task, outer_key
        self.dtype = np.dtype(dtype)
        self.max_patterns = 1
        self.key = uuid.uuid4().hex
        self._is_replayable, self.next_index = is_replayable, recorded_steps.first_index
        # Every step before that one is known, where this is the rest of a run.
        self._known_before = 1
        self._parts: list[ReplayedPart | CopiedPart] = []
        # The scalars of step after step in one array, so that Ctrl-C cannot come between them.
        self._numbers = array("d")
        self._scalars: dict[str, np.ndarray] = {}
        self._arrays: dict[str, Any] = {}
        self._was_pickled = self._goes_home = False

    @property
    def n_steps(self) -> int:
        """Number of recorded steps."""
        return len(self._numbers) // len(SCALARS)

    @property
    def scalars(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        """Of every recorded step; see :class:`Run`."""
        if not self._scalars or len(self._scalars["indices"]) != self.n_steps:
            # A slice: an array that is looked at cannot grow.
            columns = np.array(self._numbers[:]).reshape(-1, len(SCALARS)).T
            self._scalars = {
                variable.name_in_trace: column.astype(variable.kind.dtype)
                for variable, column in zip(SCALARS, columns, strict=True)
            }
        return self._scalars

    def goes_on_with(self, step: Step) -> bool:
        """Whether a step is the next of this run."""
        return self.goes_on_at(step.index, step.network)

    def goes_on_at(self, index: int, network) -> bool:
        """Whether the next step of this run is of that number and network."""
        return index == self.next_index and (network is self.network or network == self.network)

    def is_known_by(self, *, adds_updates: bool, is_replayable: bool) -> bool:
        """Whether the rule of a fit is of the same kind as that before."""
        return adds_updates == self.adds_updates and is_replayable == self._is_replayable

    def needs(self, replay) -> bool:
        """Whether to hold what a fit that goes on with this run is computed from.

        Not if none of its steps will be recorded, nor if copies of those that will be take less
        memory. A ``fit`` mostly shares its rows with other fits, which then hold them together, so
        copies have to take much less there. With ``every`` above 1 a run that was whole so far
        stays whole: the steps between are known from the replay.
        """
        n_recorded = self.recorded_steps.count(replay.first_index, replay.n_planned)
        if not self.stored or not n_recorded:
            return False
        if self.recorded_steps.every > 1 and self._is_whole_before(replay.first_index):
            return True
        n_sharing = 1 if replay.max_epochs == 1 else _FITS_OF_SAME_ROWS
        return n_recorded * self._row_bytes(replay.n_patterns) * n_sharing > replay.data_bytes

    def _row_bytes(self, n_patterns: int) -> int:
        """Bytes of a step's variables."""
        return sum(
            math.prod(shape) * (variable.kind.dtype or self.dtype).itemsize
            for variable in self.stored_variables
            for shape in variable.shapes(self.layout, n_patterns)
        )

    def begin_fit(self, replay, first_index: int) -> None:
        """Tell what the steps from here on are computed from; None if they are to be copied."""
        last = self._parts[-1] if self._parts else None
        if replay is not None:
            self._parts.append(ReplayedPart(self.n_steps, first_index, replay))
        elif last is None or not isinstance(last, CopiedPart):
            self._parts.append(CopiedPart(self.n_steps, first_index, self.stored, self.dtype))

    def append(self, step: Step | TaughtStep) -> None:
        """Take note of a step, and copy what cannot be computed again."""
        index = step.index
        if not self.recorded_steps.end_before(index):
            part = self._parts[-1]
            if index in self.recorded_steps:
                n_patterns = step.n_patterns
                self.max_patterns = max(self.max_patterns, n_patterns)
                if isinstance(part, CopiedPart):
                    part.copy(step, self.max_patterns)
                self._numbers.extend(_read_scalars(step))
            part.last_index = index
        # Ctrl-C before this leaves a run that nothing goes on with, and not one with a step
        # missing.
        self.next_index = index + 1

    def end_fit(self) -> None:
        """Let go of a fit of which no step was recorded."""
        if self._parts and self._parts[-1].start == self.n_steps:
            self._parts.pop()

    def rest(self) -> "MemoryRun":
        """A run without steps that goes on where this one is, and is a part of it."""
        rest = MemoryRun(
            self.network,
            self.variables,
            self.recorded_steps,
            self.dtype,
            self.task,
            self.outer_key,
            adds_updates=self.adds_updates,
            is_replayable=self._is_replayable,
        )
        rest.key, rest.next_index, rest.max_patterns = self.key, self.next_index, self.max_patterns
        rest._known_before = self.next_index if self._is_whole_before(self.next_index) else 0
        return rest

    def homeward(self) -> "MemoryRun":
        """Prepare the run to be sent to the process that this one works for, which knows its rule."""
        self._goes_home = True
        return self

    def extend(self, other: "MemoryRun") -> None:
        """Add the steps of the next part of this run."""
        for part in other._parts:
            part.start += self.n_steps
        self.max_patterns = max(self.max_patterns, other.max_patterns)
        self.next_index = other.next_index
        self._parts += other._parts
        self._numbers.extend(other._numbers)

    def rows(self, name: str, positions: np.ndarray):
        """Array of a variable at some of the recorded steps; see :meth:`Run.rows`."""
        variable = VARIABLES[name]
        arrays = variable.arrays_of(self._array(name))
        return variable.value_of([array[positions] for array in arrays])

    def _array(self, name: str):
        if name not in self.stored:
            raise KeyError(name)
        if name not in self._arrays or self._n_gathered(name) != self.n_steps:
            if len(self._parts) == 1 and isinstance(self._parts[0], CopiedPart):
                self._arrays |= self._parts[0].arrays(self.n_steps)
            else:
                # Those that are as long as the parameters are mostly wanted together.
                flat = tuple(v.name for v in self.stored_variables if not v.kind.has_patterns)
                self._arrays |= self._gathered(flat if name in flat else (name,))
        return self._arrays[name]

    def _n_gathered(self, name: str) -> int:
        """Return the number of steps of which the arrays of a variable are there."""
        return len(VARIABLES[name].arrays_of(self._arrays[name])[0])

    def _gathered(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Copies of all recorded steps."""
        n_steps = self.n_steps
        part = CopiedPart(0, self.recorded_steps.first_index, names, self.dtype, n_steps)
        for _, step in self.steps(recorded_only=True, n_steps=n_steps):
            part.copy(step, self.max_patterns)
        return part.arrays(n_steps)

    def _spans(self) -> Iterator[tuple[ReplayedPart | CopiedPart, int, int]]:
        """Every part, with the positions of its first recorded step and of the first one after it."""
        stops = [part.start for part in self._parts[1:]] + [self.n_steps]
        for part, stop in zip(self._parts, stops, strict=True):
            yield part, part.start, stop

    def steps(
        self, *, recorded_only: bool = False, n_steps: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Go through the steps in order; see :meth:`Run.steps`.

        Raises
        ------
        RuntimeError
            If the training, computed again, is not what was recorded.
        """
        n_wanted = self.n_steps if n_steps is None else min(n_steps, self.n_steps)
        for part, start, stop in self._spans():
            if start < n_wanted:
                if isinstance(part, CopiedPart):
                    yield from self._copied_steps(part, start, min(stop, n_wanted))
                else:
                    yield from self._replayed_steps(part, start, n_wanted, recorded_only)

    def _replayed_steps(
        self, part: ReplayedPart, position: int, n_wanted: int, recorded_only: bool
    ) -> Iterator[tuple[int, Step]]:
        losses, warned = self.scalars["losses"], False
        for step in part.replay.steps():
            recorded = self.is_recorded(step.index)
            if recorded and step.loss != losses[position]:
                self._compare(step, float(losses[position]), warned)
                warned = True
            if recorded or not recorded_only:
                yield position, step
            position += recorded
            if position >= n_wanted or step.index >= part.last_index:
                break

    def _compare(self, step: Step, loss: float, warned: bool) -> None:
        """Tell rounding of another machine from a training that is not the recorded one."""
        what = (
            f"step {step.index} of the recorded training, computed again, has the loss {step.loss!r} and not "
            f"{loss!r}"
        )
        if not self._was_pickled:
            raise RuntimeError(
                f"{what}: the rule is not a function of the step and its state. Set its class attribute "
                f"replayable to False and record again."
            )
        if not math.isclose(step.loss, loss, rel_tol=_REL_TOL, abs_tol=_ABS_TOL):
            raise RuntimeError(
                f"{what}: this trace was loaded from a pickle, which holds what the training was computed "
                f"from. Either this machine rounds too differently, or the rule's code is another one now. "
                f"Read it where it was recorded, and write it there with Trace.save, which keeps arrays."
            )
        if not warned:
            warnings.warn(
                f"{what}: this trace was loaded from a pickle and is computed again here, where rounding "
                f"differs from that of the machine that recorded it. Trace.save keeps arrays, to the bit.",
                stacklevel=2,
            )

    def _copied_steps(
        self, part: CopiedPart, start: int, stop: int
    ) -> Iterator[tuple[int, SimpleNamespace]]:
        arrays = part.arrays(stop - start)
        for row in range(stop - start):
            values = {
                name: VARIABLES[name].value_of([a[row] for a in VARIABLES[name].arrays_of(array)])
                for name, array in arrays.items()
            }
            yield start + row, stored_step(self, start + row, values)

    @property
    def is_whole(self) -> bool:
        """Whether every step from the training's first on is known; see :attr:`Run.is_whole`."""
        return self._is_whole_before(self._parts[-1].last_index + 1 if self._parts else 1)

    def _is_whole_before(self, index: int) -> bool:
        """Whether every step before that one is known."""
        if self.recorded_steps.first_index != 1:
            return False
        if self.recorded_steps.every == 1:
            return True
        known = self._known_before
        for part in self._parts:
            if isinstance(part, CopiedPart) or part.first_index != known:
                return False
            known = part.last_index + 1
        return known == index

    def __getstate__(self):
        state = {
            **self.__dict__,
            "_arrays": {},
            "_scalars": {},
            "_was_pickled": True,
            "_goes_home": False,
        }
        # Copies, for another thread may record on.
        state |= {"_parts": list(self._parts), "_numbers": np.array(self._numbers[:])}
        if not self._keeps_replays():
            arrays = {name: self._array(name) for name in self.stored}
            whole = CopiedPart.of(self.recorded_steps.first_index, arrays, self.dtype)
            whole.last_index = self._parts[-1].last_index
            state["_parts"] = [whole]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._numbers = array("d", state["_numbers"])
        self.variables = variables_in_file(state["variables"])

    def _keeps_replays(self) -> bool:
        """Whether a pickle holds what the steps are computed from: if it can, and arrays would be longer."""
        replays = [part.replay for part in self._parts if isinstance(part, ReplayedPart)]
        if not replays:
            return True
        if not all(replay.is_picklable(by_value=self._goes_home) for replay in replays):
            return False
        if self.recorded_steps.every > 1 and self.is_whole:
            return True
        array_bytes = self.n_steps * self._row_bytes(self.max_patterns)
        return array_bytes > sum(replay.data_bytes for replay in replays)
