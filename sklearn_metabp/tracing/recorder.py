"""The callback that records a training."""

import os
import threading
import weakref

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.metaestimators import available_if

from sklearn_metabp.network import Step
from sklearn_metabp.tracing.chunks import RunHeader, room_for
from sklearn_metabp.tracing.folders import absolute, new_run_name, run_names
from sklearn_metabp.tracing.memory_run import MemoryRun
from sklearn_metabp.tracing.run import RecordedSteps
from sklearn_metabp.tracing.run_writer import RunWriter
from sklearn_metabp.tracing.teacher import Teacher
from sklearn_metabp.tracing.trace import Trace
from sklearn_metabp.tracing.variables import TEACHER_UPDATES, check_variables
from sklearn_metabp.update_rules import LineSearchRule, resolve_update_rule


class TraceRecorder:
    """Callback that samples the trainings of the estimators it is set on.

    Give it to ``set_callbacks``. Every ``fit`` becomes a run of ``trace_``; a ``partial_fit`` or a
    ``fit`` with ``warm_start`` that goes on with a recorded training goes on with its run, unless the update
    rule has become one of another kind: one that searches along lines, or in memory one that is replayable
    where that before was not. Clones of an estimator share the recorder.

    Without a ``path`` the trace is in the memory of one process. Where the update rule is replayable, as
    those of this package are, recording copies the start and the training data, and takes note of every
    loss; what is read of the trace later is computed again, to the same bits. Of other rules every step is
    copied.

    With a ``path`` every step is copied to disk: memory holds one chunk of some megabytes, however long
    the training is, and a training that is killed loses at most the steps of one chunk. Any number of
    processes may record into one directory, so ``n_jobs`` may be what it likes.

    Parameters
    ----------
    variables : "default", "all" or list of str, default="default"
        What to record: any of ``activations net_inputs derivatives deltas targets outputs weights
        biases gradients weight_updates bias_updates loss``. The default is the last six, which is
        what ``LearnedUpdateRule(scope="link")`` learns from.
    every : int, default=1
        Record one step in so many.
    max_steps : int, default=None
        Record no more than so many steps of a run; None for all.
    teacher : UpdateRule, default=None
        A rule that looks on: what it would have done at every state visited is recorded too, as
        ``teacher_updates``, and is what scopes take for the target. Every step is then copied.
    path : str or path-like, default=None
        Directory to record into, which is made if need be; runs that are there already stay. None records
        in memory.
    dtype : dtype, default=None
        Of what is stored; None is that of the training. float32 halves the memory.

    Attributes
    ----------
    trace_ : Trace
        Every run recorded so far; with a path ``Trace.open(path)``.

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
    >>> model = BackpropMLPClassifier((5,), batch_size=15, tol=1, n_iter_no_change=9, random_state=0)
    >>> model = model.set_callbacks(recorder).fit(X, y)  # 10 epochs of 10 steps
    >>> [layer.shape for layer in recorder.trace_.deltas]
    [(10, 15, 5), (10, 15, 3)]
    """

    def __init__(self, variables="default", *, every=1, max_steps=None, teacher=None, path=None, dtype=None):
        check_variables(variables)
        for name, value in (("every", every), ("max_steps", max_steps)):
            if value is None and name == "max_steps":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be an integer of 1 or more, got {value!r}.")
        if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32, float64 or None, got {dtype!r}.")
        if path is not None:
            if not isinstance(path, (str, os.PathLike)):
                raise ValueError(f"path must be a string, a path or None, got {path!r}.")
            if not os.fspath(path):
                raise ValueError("path must name a directory, got ''; '.' is the working directory.")
            if os.path.lexists(path) and not os.path.isdir(path):
                raise ValueError(f"path must be a directory or not exist yet; {str(path)!r} is neither.")
        if teacher is not None:
            _check_teacher(teacher)
        self.variables = variables
        self.teacher = teacher
        self.every = every
        self.max_steps = max_steps
        self.path = path
        self.dtype = dtype
        self._directory = None if path is None else absolute(path)
        self._runs: list[MemoryRun] = []
        self._last: dict[int, tuple[weakref.ref, MemoryRun | RunWriter]] = {}
        self._replays: dict[int, object] = {}
        self._adds_updates: dict[int, bool] = {}
        self._teachers: dict[int, Teacher] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    @property
    def trace_(self) -> Trace:
        """Every run recorded so far.

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
            runs = list(self._runs)
        if not runs:
            raise NotFittedError(
                "this TraceRecorder has recorded nothing yet: give it to an estimator's set_callbacks and "
                "call its fit."
            )
        return Trace(runs)

    def setup(self, estimator, context):
        """Before a fit; part of scikit-learn's callback protocol.

        Raises
        ------
        RuntimeError
            In another process than the one that made the recorder, if it records in memory.
        """
        if self._directory is None and os.getpid() != self._pid:
            raise RuntimeError(
                "TraceRecorder keeps its trace in the memory of the process that made it, and this fit runs "
                "in another one, where the trace would be lost: record to disk with TraceRecorder(path=...), "
                "or use n_jobs=1 or joblib's threading backend."
            )
        self._forget_start(estimator)

    def _forget_start(self, estimator) -> None:
        self._replays.pop(id(estimator), None)
        self._adds_updates.pop(id(estimator), None)

    def on_fit_task_begin(self, estimator, context):
        """Before a fit and each of its epochs: nothing to do."""

    # Elsewhere nothing needs a copy of the data.
    @available_if(lambda self: self._directory is None and self.teacher is None)
    def on_training_begin(self, estimator, context, replay):
        """Keep what the training will be computed from."""
        self._replays[id(estimator)] = replay

    def on_step_end(self, estimator, context, step: Step):
        """Take note of a step."""
        key = id(estimator)
        last = self._last.get(key)
        goes_on = last is not None and last[0]() is estimator and last[1].goes_on_with(step)
        replay = None
        if key not in self._adds_updates:  # the first step of a fit
            adds_updates = not isinstance(resolve_update_rule(estimator.update_rule), LineSearchRule)
            self._adds_updates[key], replay = adds_updates, self._replays.pop(key, None)
            goes_on = goes_on and last[1].is_known_by(  # type: ignore[index]
                adds_updates=adds_updates, replayed=replay is not None
            )
        if not goes_on:
            last = weakref.ref(estimator), self._new_run(step, self._adds_updates[key])
            if self.teacher is not None:
                self._teachers[key] = Teacher(resolve_update_rule(self.teacher), step.layout)
            with self._lock:
                self._last[key] = last
        run = last[1]  # type: ignore[index]
        if isinstance(run, MemoryRun) and replay is not None:
            run.add_replay(replay)
        run.append(step if self.teacher is None else self._teachers[key].taught(step))

    def _new_run(self, step: Step, adds_updates: bool) -> MemoryRun | RunWriter:
        variables = check_variables(self.variables)
        if self.teacher is not None:
            variables = (*variables, TEACHER_UPDATES)
        if self._directory is not None:
            dtype = np.dtype(self.dtype or step.params.dtype)
            room = room_for(step.n_patterns, variables)
            header = RunHeader(step.network, variables, self.every, room, dtype, adds_updates)
            steps = RecordedSteps(step.index, self.every, self.max_steps)
            return RunWriter(self._directory / new_run_name(), header, steps)
        given = {"every": self.every, "max_steps": self.max_steps, "dtype": self.dtype}
        run = MemoryRun(step, variables, **given, adds_updates=adds_updates)
        with self._lock:
            self._runs.append(run)
        return run

    def on_fit_task_end(self, estimator, context):
        """After a fit and each of its epochs: nothing to do."""

    def teardown(self, estimator, context):
        """After a fit, however it ended: forget its data, finish what is on its way to the disk.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        # A fit that ended before its first step leaves it, and the next one may be of a rule without.
        self._forget_start(estimator)
        if id(estimator) in self._teachers:
            self._teachers[id(estimator)].forget_step()
        last = self._last.get(id(estimator))
        if last is not None and last[0]() is estimator and isinstance(last[1], RunWriter):
            last[1].flush()

    def __repr__(self) -> str:
        what = f"TraceRecorder(variables={self.variables!r}, every={self.every}"
        if self.path is not None:
            return f"{what}, path={str(self.path)!r})"
        with self._lock:
            n_runs = len(self._runs)
        return f"{what}) with {n_runs} run{'s' * (n_runs != 1)}"

    def __getstate__(self):
        of_this_process = ("_lock", "_last", "_replays", "_adds_updates", "_teachers")
        return {name: value for name, value in self.__dict__.items() if name not in of_this_process}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock, self._last = threading.Lock(), {}
        self._replays, self._adds_updates, self._teachers = {}, {}, {}


def _check_teacher(teacher) -> None:
    rule = resolve_update_rule(teacher)
    if rule.acts_backward:
        raise ValueError(
            f"teacher={teacher!r} acts on the backward step, which it does not see when another rule "
            f"trains: a teacher says what an update should be."
        )
    if isinstance(rule, LineSearchRule):
        raise ValueError(
            f"teacher={teacher!r} searches along lines, from where no other rule went: a teacher says what "
            f"the update of a single step should be."
        )
