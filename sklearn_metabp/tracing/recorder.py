"""The callback that records trainings."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import DTypeLike
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if

from sklearn_metabp.description import Described, Table, count
from sklearn_metabp.network import BaseNetwork, Step
from sklearn_metabp.tracing.chunks import RunHeader, TraceFileError, space_for_patterns
from sklearn_metabp.tracing.collector import Collector
from sklearn_metabp.tracing.folders import (
    absolute,
    find_run,
    new_run_name,
    remove_leftovers_of_runs,
    run_names,
)
from sklearn_metabp.tracing.memory_run import MemoryRun
from sklearn_metabp.tracing.parts import Replay
from sklearn_metabp.tracing.run import ExtendedStep, RecordedSteps
from sklearn_metabp.tracing.run_writer import RunWriter
from sklearn_metabp.tracing.summary import Summarizer, steps_between_summaries
from sklearn_metabp.tracing.tasks import Task, task_of
from sklearn_metabp.tracing.teacher import Teacher
from sklearn_metabp.tracing.trace import Trace
from sklearn_metabp.tracing.variables import (
    TEACHER_UPDATES,
    check_variables,
    document_variables,
    in_order,
)
from sklearn_metabp.update_rules import UpdateRule, resolve_update_rule


@document_variables
class TraceRecorder(Described, Collector):
    """Callback that records the trainings of the estimators that it is set on.

    Give it to ``set_callbacks``. Every ``fit`` becomes a run of ``trace_``. A ``partial_fit`` or a
    ``fit`` with ``warm_start`` that continues a recorded training continues its run. It begins a
    new run if the update rule is now of another kind: one that searches along lines, or, in memory,
    one that is replayable and was not before. Clones of an estimator share the recorder.

    Without a ``path`` the trace is in the memory of the process that made the recorder. Worker
    processes, for example those of a search with ``n_jobs=2``, send their recordings there. If the
    update rule is replayable, as the rules of this package are, the recorder copies the start and
    the training data and notes the losses. A variable is computed when it is read, and is identical
    to that of the training. Equal data of several fits are stored once. For other rules, and if it
    takes less memory, every recorded step is copied. ``variables``, ``every`` and ``max_steps``
    limit the memory.

    A pickle of a recorder or of its trace holds the same. On another machine the steps may differ
    by rounding, which is a warning; :meth:`Trace.save` writes arrays. A recorder that was loaded
    has its runs and records further ones. A pickle of an unfitted estimator has a recorder without
    runs.

    With a ``path`` every step is copied to disk. Memory holds one chunk of some megabytes, however
    long the training is, and a training that is killed loses at most the steps of one chunk. Any
    number of processes may record into one directory.

    Parameters
    ----------
    variables : "default", "all" or list of str, default="default"
        Attributes of a step to record, any of ``<names>``. By default these are <defaults>, which
        ``LearnedUpdateRule(scope="link")`` learns from. ``params`` and ``updates`` are those of all
        weights and biases.
    summary : bool, default=False
        Record a summary of a step, which takes the same few bytes whatever the sizes of layers and
        batches: norms and quantiles of the parameters, gradients and updates of every weight matrix
        and bias vector, and the spread of the outputs and deltas of every layer. It is
        ``trace_.summary``. By default nothing else is recorded then but the loss; ``variables``
        adds to it. A summary is computed during the training and is not replayed.
    every : int or "auto", default="auto"
        Record one step in so many. "auto" records every step, or, with ``summary=True``, as many as
        take some 1 % of the time of the training; the number depends on the sizes of the layers
        and of the batch alone. In memory the steps between are known too, as ``scope="link"`` needs
        them, as long as every fit of the run has a recorded step and there is no summary. Steps
        that are not recorded run as fast as without a recorder.
    max_steps : int, default=None
        Maximal number of recorded steps of a run; None for all.
    teacher : UpdateRule, default=None
        A rule whose update is computed at every step too, without changing the weights. It is
        recorded as ``teacher_updates``, which are the targets of scopes. Every step is then copied.
    path : str or path-like, default=None
        Directory to record into, which is made if it does not exist. Runs in it are kept. None
        records in memory.
    dtype : dtype, default=None
        Dtype of the stored arrays; None for that of the training. float32 halves the memory.

    Attributes
    ----------
    trace_ : Trace
        All runs recorded so far; with a path it is ``Trace.open(path)``.
    own_trace_ : Trace
        The runs among them that this recorder has recorded itself, in this process.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, TraceRecorder
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder(["loss", "deltas"], every=10)
    >>> model = BackpropMLPClassifier((5,), batch_size=15, tol=1, random_state=0)
    >>> model = model.set_params(n_iter_no_change=9)
    >>> model = model.set_callbacks(recorder).fit(X, y)  # 10 epochs of 10 steps
    >>> [layer.shape for layer in recorder.trace_.deltas]
    [(10, 15, 5), (10, 15, 3)]
    """

    def __init__(
        self,
        variables: str | Iterable[str] = "default",
        *,
        summary: bool = False,
        every: int | str = "auto",
        max_steps: int | None = None,
        teacher: UpdateRule | str | None = None,
        path: str | os.PathLike[str] | None = None,
        dtype: DTypeLike | None = None,
    ):
        check_variables(variables)
        for name, value in (("every", every), ("max_steps", max_steps)):
            if value == {"every": "auto", "max_steps": None}[name]:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                other = " or 'auto'" if name == "every" else ""
                raise ValueError(f"{name} must be an integer of 1 or more{other}, got {value!r}.")
        if not isinstance(summary, (bool, np.bool_)):
            raise ValueError(f"summary must be True or False, got {summary!r}.")
        if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32, float64 or None, got {dtype!r}.")
        if path is not None:
            if not isinstance(path, (str, os.PathLike)):
                raise ValueError(f"path must be a string, a path or None, got {path!r}.")
            if not os.fspath(path):
                raise ValueError(
                    "path must name a directory, got ''; '.' is the working directory."
                )
            if os.path.lexists(path) and not os.path.isdir(path):
                raise ValueError(
                    f"path must be a directory or not exist yet; {str(path)!r} is neither."
                )
        if teacher is not None:
            _check_teacher(teacher)
        super().__init__()
        self.variables = variables
        self.summary = summary
        self.teacher = teacher
        self.every = every
        self.max_steps = max_steps
        self.path = path
        self.dtype = dtype
        self._directory = None if path is None else absolute(path)
        self._has_tidied = False
        self._runs: dict[str, MemoryRun] = {}
        self._folders: list[Path] = []
        self._trainings: WeakKeyDictionary[Any, _Training] = WeakKeyDictionary()

    @property
    def trace_(self) -> Trace:
        """All runs recorded so far.

        Raises
        ------
        NotFittedError
            If nothing has been recorded.
        TraceFileError
            If a file in the directory is damaged.
        """
        if self._directory is not None and self._directory.exists() and run_names(self._directory):
            return Trace.open(self._directory)
        with self._lock:
            runs = list(self._runs.values())
        if not runs:
            raise NotFittedError(
                "this TraceRecorder has recorded nothing yet: give it to an estimator's "
                "set_callbacks and call its fit."
            )
        # Runs arrive from worker processes in any order. The trace must not depend on it.
        order: dict[str, int] = {}
        for run in runs:
            order.setdefault(run.outer_key, len(order))
        runs.sort(key=lambda run: (order[run.outer_key], run.task.ids))
        return Trace(runs)

    @property
    def own_trace_(self) -> Trace:
        """The runs that this recorder has recorded itself; in memory all of ``trace_``.

        A directory may have runs of other recorders and other processes, which are left out.

        Raises
        ------
        NotFittedError
            If nothing has been recorded in memory.
        TraceFileError
            If a file in the directory is damaged.
        """
        if self._directory is None:
            return self.trace_
        runs = [find_run(folder) for folder in self._folders]
        return Trace([run for run in runs if run is not None])

    skips_epochs = True

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin a fit. Warn if the recording cannot be sent to the recorder's process."""
        self._arrive()
        with self._lock:
            training = self._trainings.setdefault(estimator, _Training())
        training.begin_fit(task_of(context), context.root_uuid.hex)

    # scikit-learn caches the signatures of these two with the methods themselves, so as methods of
    # an object they would keep the recorder and its runs alive.
    @staticmethod
    def on_fit_task_begin(estimator: Any, context: Any) -> None:
        """Do nothing before a fit and each of its epochs."""

    # On disk, with a teacher and in a summary steps are copied, so a replay is not needed.
    @available_if(lambda self: self._directory is None and not (self.teacher or self.summary))
    def on_training_begin(self, estimator: Any, context: Any, replay: Replay) -> None:
        """Keep the replay of a training if it takes less memory than copies of the steps."""
        training = self._trainings[estimator]
        training.is_replayable = True
        run = training.run
        continues = (
            isinstance(run, MemoryRun)
            and run.continues_at(replay.first_index, replay.network)
            and run.same_kind(adds_updates=training.adds_updates, is_replayable=True)
        )
        if not continues:
            run = self._memory_run(
                replay.network,
                self._recorded_steps(
                    replay.network, replay.first_index, replay.n_patterns, replay.n_planned
                ),
                replay.dtype,
                training,
            )
        if run.should_replay(replay):  # type: ignore[union-attr]
            training.replay = replay.kept()

    def on_step_end(self, estimator: Any, context: Any, step: Step) -> None:
        """Record a step."""
        training = self._trainings[estimator]
        run = training.run
        if training.has_stepped and run is not None:
            run.pass_to(step.index - 1)
        # The network is the same within a fit. Comparing it would take as long as a small step.
        is_next = training.has_stepped and run is not None and run.next_index == step.index
        if (
            run is None
            or not is_next
            or (isinstance(run, RunWriter) and not run.continues_with(step))
        ):
            run = self._find_run(training, estimator, step)
        values: dict[str, Any] = {}
        if training.teacher is not None and not run.recorded_steps.end_before(step.index):
            values[TEACHER_UPDATES] = training.teacher.teach(step)
        if self.summary and step.index in run.recorded_steps:
            values["summary"] = training.summarizer.summarise(step)
        run.append(ExtendedStep(step, **values) if values else step)

    def next_step(self, estimator: Any, index: int) -> float:
        """Return the number of the next step to receive, this one or later.

        That is the first one of every fit, which shows whether it continues a run, and then every
        recorded one. A teacher needs all steps until the last recorded one.
        """
        training = self._trainings[estimator]
        if not training.has_stepped:
            return index
        steps = training.run.recorded_steps  # type: ignore[union-attr]
        if self.teacher is not None and not steps.end_before(index):
            return index
        return steps.next_from(index)

    def on_training_end(self, estimator: Any, context: Any, n_steps: int) -> None:
        """Count the steps that were taken after the last recorded one."""
        training = self._trainings[estimator]
        if training.has_stepped and training.run is not None:
            training.run.pass_to(n_steps)

    def _find_run(self, training: "_Training", estimator: Any, step: Step) -> MemoryRun | RunWriter:
        """Return the run that a step continues, or a new one."""
        run = training.run
        continues = run is not None and run.continues_with(step)
        if not training.has_stepped:
            rule = resolve_update_rule(estimator.update_rule)
            training.adds_updates = rule.adds_updates
            continues = continues and run.same_kind(  # type: ignore[union-attr]
                adds_updates=training.adds_updates, is_replayable=training.is_replayable
            )
        if not continues:
            run = training.run = self._new_run(step, training)
            if self.teacher is not None:
                training.teacher = Teacher(resolve_update_rule(self.teacher), step.layout)
        if isinstance(run, MemoryRun) and not training.has_stepped:
            run.begin_fit(training.replay, step.index)
        training.has_stepped, training.replay = True, None
        return run  # type: ignore[return-value]

    def _new_run(self, step: Step, training: "_Training") -> MemoryRun | RunWriter:
        """Begin a run, on disk or in memory."""
        if self._directory is not None:
            variables = self._all_variables()
            dtype = np.dtype(self.dtype or step.params.dtype)
            max_patterns = space_for_patterns(step.most_patterns, variables)
            steps = self._recorded_steps_from(step)
            header = RunHeader(
                step.network,
                variables,
                steps.every,
                max_patterns,
                dtype,
                training.adds_updates,
                task=training.task,
            )
            if not self._has_tidied:
                self._has_tidied = True
                remove_leftovers_of_runs(self._directory)
            self._folders.append(self._directory / new_run_name())
            return RunWriter(self._folders[-1], header, steps)
        steps = self._recorded_steps_from(step)
        run = self._memory_run(step.network, steps, step.params.dtype, training)
        if self._home is None:
            self.receive(run)
        return run

    def _recorded_steps_from(self, step: Step) -> RecordedSteps:
        n_planned = step.n_planned - step.index + 1
        return self._recorded_steps(step.network, step.index, step.n_patterns, n_planned)

    def _recorded_steps(
        self, network: BaseNetwork, first_index: int, n_patterns: int, n_planned: int
    ) -> RecordedSteps:
        """Return which steps of a run are recorded, from its first one on."""
        every = self.every
        if isinstance(every, str):
            every = 1
            if self.summary:
                every = steps_between_summaries(network.layout, n_patterns, n_planned)
        return RecordedSteps(first_index, every, self.max_steps)

    def _memory_run(
        self, network: BaseNetwork, steps: RecordedSteps, dtype: DTypeLike, training: "_Training"
    ) -> MemoryRun:
        return MemoryRun(
            network,
            self._all_variables(),
            steps,
            self.dtype or dtype,
            training.task,
            training.outer_key,
            adds_updates=training.adds_updates,
            is_replayable=training.is_replayable,
        )

    def _all_variables(self) -> tuple[str, ...]:
        variables = check_variables(self.variables)
        if self.summary:
            chosen = ("loss",) if self.variables == "default" else variables
            variables = (*chosen, "summary")
        return in_order(variables if self.teacher is None else (*variables, TEACHER_UPDATES))

    def receive(self, message: MemoryRun) -> None:
        """Add a new run, or the next part of one from a worker process."""
        with self._lock:
            known = self._runs.setdefault(message.key, message)
            if known is not message:
                known.extend(message)

    @staticmethod
    def on_fit_task_end(estimator: Any, context: Any) -> None:
        """Do nothing after a fit and each of its epochs."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """End a fit: finish writing to disk or sending to another process.

        Raises
        ------
        OSError
            If the recording cannot be written or sent.
        """
        training = self._trainings[estimator]
        run, has_stepped = training.run, training.has_stepped
        training.end_fit()
        if isinstance(run, RunWriter):
            run.flush()
        elif run is not None and has_stepped and self._home is not None and run.n_steps:
            training.run = run.continuation()
            self._deliver(run.prepared_to_send())

    def _title(self) -> str:
        what = f"TraceRecorder(variables={self.variables!r}, every={self.every!r}"
        if self.summary:
            what += ", summary=True"
        if self.path is not None:  # counting the runs would read files
            return f"{what}, path={str(self.path)!r})"
        with self._lock:
            runs = list(self._runs.values())
        n_steps = sum(run.n_steps for run in runs)
        return f"{what}) with {count(n_steps, 'step')} in {count(len(runs), 'run')}"

    def _details(self) -> Iterable[Table | str]:
        try:
            return self.trace_._details()
        except (NotFittedError, TraceFileError) as error:
            return (str(error),)

    def _collects(self) -> bool:
        return self._directory is None

    def _forget(self) -> None:
        self._runs = {}

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = super().__getstate__() | {"_runs": dict(self._runs), "_has_tidied": True}
        del state["_trainings"], state["_folders"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"summary": False} | state)  # older pickles do not have it
        self._folders = []
        self._trainings = WeakKeyDictionary()


class _Training:
    """State of a recorder for the training of one estimator, as long as the estimator lives.

    Attributes
    ----------
    run : MemoryRun or RunWriter or None
        The run that the next step may continue.
    teacher : Teacher or None
        The teacher that has seen the steps of that run.
    summarizer : Summarizer
        It computes the summaries of steps, if they are wanted.
    task, outer_key : Task, str
        Task and key of the present fit, as all attributes below; see :class:`MemoryRun`.
    replay : Replay or None
        Replay of the fit, until its first step; None if its steps are copied.
    is_replayable, adds_updates : bool
        Properties of the update rule; see :class:`MemoryRun`.
    has_stepped : bool
        Whether the fit has taken a step.
    """

    def __init__(self) -> None:
        self.run: MemoryRun | RunWriter | None = None
        self.teacher: Teacher | None = None
        self.summarizer = Summarizer()
        self.replay: Replay | None
        self.begin_fit(Task("", ()), "")

    def begin_fit(self, task: Task, outer_key: str) -> None:
        """Reset the attributes of a fit."""
        self.task, self.outer_key, self.replay = task, outer_key, None
        self.is_replayable, self.adds_updates, self.has_stepped = False, True, False

    def end_fit(self) -> None:
        """Drop the data that only the steps of the fit needed."""
        if isinstance(self.run, MemoryRun) and self.has_stepped:
            self.run.end_fit()
        # A fit that ended before its first step leaves a replay, which the next must not use.
        self.begin_fit(self.task, self.outer_key)
        self.summarizer.forget_step()
        if self.teacher is not None:
            self.teacher.forget_step()
            if self.run is not None and self.run.recorded_steps.end_before(self.run.next_index):
                self.teacher = None


def _check_teacher(teacher: Any) -> None:
    """Raise unless a rule can be a teacher."""
    rule = resolve_update_rule(teacher)
    if rule.acts_backward:
        raise ValueError(
            f"teacher={teacher!r} acts on the backward step, which another rule takes while it is "
            "recorded: a teacher must compute an update from a step."
        )
    if not rule.takes_steps:
        raise ValueError(
            f"teacher={teacher!r} searches along lines and takes no single steps: a teacher must "
            "compute an update from a step."
        )
