"""A recorded training in memory."""

import copy
import math
import uuid
import warnings
from array import array
from collections.abc import Iterator
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_metabp.network import BaseNetwork, Step
from sklearn_metabp.tracing.columns import write_patterns
from sklearn_metabp.tracing.parts import CopiedPart, Replay, ReplayedPart
from sklearn_metabp.tracing.run import ExtendedStep, RecordedStep, RecordedSteps, Run
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.variables import SCALARS, VARIABLES, variables_in_file

# Differences of losses that another machine may have by rounding, which grows along a training.
_REL_TOL, _ABS_TOL = 1e-3, 1e-6
_read_scalars = attrgetter(*(variable.name for variable in SCALARS))
_N_PATTERNS = [variable.name for variable in SCALARS].index("n_patterns")
# Number of fits that are expected to share their data, as the candidates of a search do.
_FITS_OF_SAME_ROWS = 10


class MemoryRun(Run):
    """One recorded training in memory.

    If the update rule is a function of the step and its state, a part of the run holds the data and
    the start of its fit, and computes a variable, to the same bits, when it is read: copying every
    step would cost many times the step itself. For other rules, and where it takes less memory, a
    part holds copies of the steps.

    Parameters
    ----------
    network : BaseNetwork
    variables : tuple of str
    recorded_steps : RecordedSteps
    dtype : dtype
    task : Task
        Task of the first fit.
    outer_key : str
        Equal for all runs that were part of one outermost fit.
    adds_updates : bool
        See :class:`Run`.
    is_replayable : bool
        Whether the update rule is replayable.

    Attributes
    ----------
    key : str
        Equal for the parts of one run that come from a worker process.
    next_index : int
        Number of the step that continues the run.
    """

    task: Task

    def __init__(
        self,
        network: BaseNetwork,
        variables: tuple[str, ...],
        recorded_steps: RecordedSteps,
        dtype: DTypeLike,
        task: Task,
        outer_key: str,
        *,
        adds_updates: bool = True,
        is_replayable: bool = False,
    ):
        # A copy has no buffers of the estimator's network, which may be freed before the run.
        self.network = copy.copy(network)
        self.variables, self.adds_updates = variables, adds_updates
        self.recorded_steps, self.task, self.outer_key = recorded_steps, task, outer_key
        self.dtype = np.dtype(dtype)
        self.max_patterns = 1
        self.key = uuid.uuid4().hex
        self._is_replayable, self.next_index = is_replayable, recorded_steps.first_index
        # If this run continues another one: every step before this one is known there.
        self._known_before = 1
        self._parts: list[ReplayedPart | CopiedPart] = []
        # The scalars of all steps in one array, so that Ctrl-C cannot interrupt a step.
        self._numbers = array("d")
        self._scalars: dict[str, np.ndarray] = {}
        self._was_pickled = self._is_sent = False

    @property
    def n_steps(self) -> int:
        """Number of recorded steps."""
        return len(self._numbers) // len(SCALARS)

    @property
    def scalars(self) -> dict[str, np.ndarray]:  # type: ignore[override]
        """Numbers of every recorded step; see :class:`Run`."""
        if not self._scalars or len(self._scalars["indices"]) != self.n_steps:
            # A copy, because an array.array cannot grow while NumPy has a view of it.
            columns = np.array(self._numbers[:]).reshape(-1, len(SCALARS)).T
            self._scalars = {
                variable.name_in_trace: column.astype(variable.kind.dtype)
                for variable, column in zip(SCALARS, columns, strict=True)
            }
        return self._scalars

    def continues_with(self, step: Step) -> bool:
        """Tell whether a step is the next one of this run."""
        return self.continues_at(step.index, step.network)

    def continues_at(self, index: int, network: BaseNetwork) -> bool:
        """Tell whether the next step of this run has that number and network."""
        return index == self.next_index and (network is self.network or network == self.network)

    def same_kind(self, *, adds_updates: bool, is_replayable: bool) -> bool:
        """Tell whether a rule with these properties is of the same kind as that of this run."""
        return adds_updates == self.adds_updates and is_replayable == self._is_replayable

    def should_replay(self, replay: Replay) -> bool:
        """Tell whether to hold the replay of a fit that continues this run, in place of copies.

        A replay is not held if no step of the fit will be recorded, or if copies of the recorded
        steps take less memory. Copies have to take much less if it is a ``fit``, which mostly
        shares its rows with other fits. With ``every`` above 1 the replay is always held as long as
        the run is whole, because the steps between are known from it.
        """
        n_recorded = self.recorded_steps.count(replay.first_index, replay.n_planned)
        if not self.stored or not n_recorded:
            return False
        if self.recorded_steps.every > 1 and self._is_whole_before(replay.first_index):
            return True
        n_sharing = 1 if replay.max_epochs == 1 else _FITS_OF_SAME_ROWS
        return n_recorded * self._step_bytes(replay.n_patterns) * n_sharing > replay.data_bytes

    def _step_bytes(self, n_patterns: int) -> int:
        """Return the number of bytes of the stored variables at one step."""
        return sum(
            math.prod(shape) * (variable.kind.dtype or self.dtype).itemsize
            for variable in self.stored_variables
            for shape in variable.shapes(self.layout, n_patterns)
        )

    def begin_fit(self, replay: Replay | None, first_index: int) -> None:
        """Begin a part with the replay of a fit, or with copies if there is none."""
        last = self._parts[-1] if self._parts else None
        if replay is not None:
            self._parts.append(ReplayedPart(self.n_steps, first_index, replay))
        elif last is None or not isinstance(last, CopiedPart):
            self._parts.append(CopiedPart(self.n_steps, first_index, self.stored, self.dtype))

    def append(self, step: Step | ExtendedStep) -> None:
        """Add a step, and copy its variables if they cannot be computed again."""
        index, part = step.index, self._parts[-1]
        if index in self.recorded_steps:
            scalars = _read_scalars(step)
            self.max_patterns = max(self.max_patterns, scalars[_N_PATTERNS])
            if isinstance(part, CopiedPart):
                part.copy(step, self.max_patterns)
            self._numbers.extend(scalars)
            part.last_index = index
        elif not self.recorded_steps.end_before(index):
            part.last_index = index
        # If Ctrl-C comes before this line, nothing continues the run, so no step is missing in it.
        self.next_index = index + 1

    def pass_to(self, index: int) -> None:
        """Go on to a step, up to which no more steps are recorded."""
        if self.next_index <= index < self.recorded_steps.next_from(self.next_index):
            if self._parts:
                part = self._parts[-1]
                part.last_index = max(part.last_index, self.recorded_steps.last_before(index))
            self.next_index = index + 1

    def end_fit(self) -> None:
        """Remove the part of a fit of which no step was recorded."""
        if self._parts and self._parts[-1].start == self.n_steps:
            self._parts.pop()

    def continuation(self) -> "MemoryRun":
        """Return a run without steps that continues this one and has the same key."""
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

    def prepared_to_send(self) -> "MemoryRun":
        """Return the run itself, set to be pickled for the process that this one works for.

        That process has the code of the rule, so the pickle may hold a reference to it.
        """
        self._is_sent = True
        return self

    def extend(self, other: "MemoryRun") -> None:
        """Add the steps of a run that continues this one."""
        for part in other._parts:
            part.start += self.n_steps
        self.max_patterns = max(self.max_patterns, other.max_patterns)
        self.next_index = other.next_index
        self._parts += other._parts
        self._numbers.extend(other._numbers)

    def fill(
        self, name: str, positions: np.ndarray, arrays: list[np.ndarray], places: np.ndarray
    ) -> None:
        """Write a variable at some recorded steps into rows of arrays; see :meth:`Run.fill`."""
        order = np.argsort(positions, kind="stable")
        positions, places = positions[order], places[order]
        for part, start, stop in self._spans():
            begin, end = np.searchsorted(positions, (start, stop))
            if begin == end:
                continue
            mine = positions[begin:end], places[begin:end]
            if isinstance(part, CopiedPart):
                part.fill(name, mine[0] - start, arrays, mine[1])
            else:
                self._fill_replayed(part, start, name, *mine, arrays)

    def _fill_replayed(
        self,
        part: ReplayedPart,
        start: int,
        name: str,
        positions: np.ndarray,
        places: np.ndarray,
        arrays: list[np.ndarray],
    ) -> None:
        """Compute a variable at some steps of a part, in ascending order."""
        variable, wanted, rows, k = VARIABLES[name], positions.tolist(), places.tolist(), 0
        for position, step in self._replayed_steps(part, start, wanted[-1] + 1, True):
            if position < wanted[k]:
                continue
            values = variable.arrays_of(getattr(step, name))
            while k < len(wanted) and wanted[k] == position:
                for whole, value in zip(arrays, values, strict=True):
                    if variable.kind.has_patterns:
                        write_patterns(whole[rows[k]], value)
                    else:
                        whole[rows[k]] = value
                k += 1

    def _copies(self) -> CopiedPart:
        """Return a part with copies of all recorded steps, computed again or copied again."""
        n_steps = self.n_steps
        part = CopiedPart(0, self.recorded_steps.first_index, self.stored, self.dtype, n_steps)
        for _, step in self.steps(recorded_only=True, n_steps=n_steps):
            part.copy(step, self.max_patterns)
        part.last_index = self._parts[-1].last_index
        return part

    def _spans(self) -> Iterator[tuple[ReplayedPart | CopiedPart, int, int]]:
        """Yield every part with the positions of its first step and of the first step after it."""
        stops = [part.start for part in self._parts[1:]] + [self.n_steps]
        for part, stop in zip(self._parts, stops, strict=True):
            yield part, part.start, stop

    def steps(
        self, *, recorded_only: bool = False, n_steps: int | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Iterate over the steps in order; see :meth:`Run.steps`.

        Raises
        ------
        RuntimeError
            If the training, computed again, differs from the recorded one.
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
        """Raise or warn because a loss differs from the recorded one.

        In a pickle from another machine a small difference is rounding, which is a warning.
        """
        what = (
            f"step {step.index} of the recorded training, computed again, has the loss "
            f"{step.loss!r} and not "
            f"{loss!r}"
        )
        if not self._was_pickled:
            raise RuntimeError(
                f"{what}: the rule is not a function of the step and its state. Set its class "
                "attribute "
                f"replayable to False and record again."
            )
        if not math.isclose(step.loss, loss, rel_tol=_REL_TOL, abs_tol=_ABS_TOL):
            raise RuntimeError(
                f"{what}: this trace was loaded from a pickle, which has the data that the "
                "training was computed from. Either this machine rounds too differently, or the "
                "code of the rule has changed. Read the trace on the machine that recorded it, and "
                "write it there with Trace.save, which keeps arrays."
            )
        if not warned:
            warnings.warn(
                f"{what}: this trace was loaded from a pickle and is computed again on this "
                "machine, which rounds in another way than the machine that recorded it. "
                "Trace.save keeps the arrays themselves.",
                stacklevel=2,
            )

    def _copied_steps(
        self, part: CopiedPart, start: int, stop: int
    ) -> Iterator[tuple[int, RecordedStep]]:
        for row in range(stop - start):
            yield start + row, RecordedStep(self, start + row, partial(part.arrays_at, row=row))

    @property
    def is_whole(self) -> bool:
        """Whether all steps from the first one on are known; see :attr:`Run.is_whole`."""
        return self._is_whole_before(self._parts[-1].last_index + 1 if self._parts else 1)

    def _is_whole_before(self, index: int) -> bool:
        """Tell whether every step before the one of that number is known."""
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

    def __getstate__(self) -> dict[str, Any]:
        state = {
            **self.__dict__,
            "_scalars": {},
            "_was_pickled": True,
        }
        # Copies, because another thread may still record.
        state |= {"_parts": list(self._parts), "_numbers": np.array(self._numbers[:])}
        if not self._keeps_replays():
            state |= {"_parts": [self._copies()], "network": self.network.without_functions}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._numbers, self._is_sent = array("d", state["_numbers"]), False
        self.variables = variables_in_file(state["variables"])

    def _keeps_replays(self) -> bool:
        """Tell whether a pickle holds replays: they must be picklable and shorter than arrays."""
        replays = [part.replay for part in self._parts if isinstance(part, ReplayedPart)]
        if not replays:
            return True
        if not all(replay.is_picklable(by_value=self._is_sent) for replay in replays):
            return False
        if self.recorded_steps.every > 1 and self.is_whole:
            return True
        array_bytes = self.n_steps * self._step_bytes(self.max_patterns)
        return array_bytes > sum(replay.data_bytes for replay in replays)
