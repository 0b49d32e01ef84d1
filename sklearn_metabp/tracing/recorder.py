"""The callback that records a training."""

import os
import threading
import weakref

import numpy as np
from sklearn.exceptions import NotFittedError

from sklearn_metabp.network import Step
from sklearn_metabp.tracing.run import Run
from sklearn_metabp.tracing.trace import Trace
from sklearn_metabp.tracing.variables import check_variables


class TraceRecorder:
    """Callback that samples the trainings of the estimators it is set on.

    Give it to ``set_callbacks``. Every ``fit`` becomes a run of ``trace_``; a ``partial_fit`` or a
    ``fit`` with ``warm_start`` that goes on with a recorded training goes on with its run. Clones of
    an estimator share the recorder, in one process: the trace is in memory.

    Where the update rule is replayable, as those of this package are, recording copies the start and
    the training data, and takes note of every loss; what is read of the trace later is computed
    again, to the same bits. Of other rules every step is copied.

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
    dtype : dtype, default=None
        Of what is stored; None is that of the training. float32 halves the memory.

    Attributes
    ----------
    trace_ : Trace
        Every run recorded so far.

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

    def __init__(self, variables="default", *, every=1, max_steps=None, dtype=None):
        check_variables(variables)
        for name, value in (("every", every), ("max_steps", max_steps)):
            if value is None and name == "max_steps":
                continue
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"{name} must be an integer of 1 or more, got {value!r}.")
        if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32, float64 or None, got {dtype!r}.")
        self.variables = variables
        self.every = every
        self.max_steps = max_steps
        self.dtype = dtype
        self._runs: list[Run] = []
        self._last: dict[int, tuple[weakref.ref, Run]] = {}
        self._replays: dict[int, object] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    @property
    def trace_(self) -> Trace:
        """Every run recorded so far.

        Raises
        ------
        NotFittedError
            If nothing has been recorded.
        """
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
            In another process than the one that made the recorder.
        """
        if os.getpid() != self._pid:
            raise RuntimeError(
                "TraceRecorder keeps its trace in the memory of the process that made it, and this fit runs "
                "in another one, where the trace would be lost: use n_jobs=1 or joblib's threading backend."
            )

    def on_fit_task_begin(self, estimator, context):
        """Before a fit and each of its epochs: nothing to do."""

    def on_training_begin(self, estimator, context, replay):
        """Keep what the training will be computed from."""
        self._replays[id(estimator)] = replay

    def on_step_end(self, estimator, context, step: Step):
        """Take note of a step."""
        last = self._last.get(id(estimator))
        if last is None or last[0]() is not estimator or not last[1].goes_on_with(step):
            last = self._new_run(estimator, step)
        run, replay = last[1], self._replays.pop(id(estimator), None)
        if replay is not None:
            run.add_replay(replay)
        run.append(step)

    def _new_run(self, estimator, step: Step):
        variables = check_variables(self.variables)
        run = Run(step, variables, every=self.every, max_steps=self.max_steps, dtype=self.dtype)
        last = weakref.ref(estimator), run
        with self._lock:
            self._runs.append(run)
            self._last[id(estimator)] = last
        return last

    def on_fit_task_end(self, estimator, context):
        """After a fit and each of its epochs: nothing to do."""

    def teardown(self, estimator, context):
        """After a fit: nothing to do, all that was recorded is there."""

    def __repr__(self) -> str:
        with self._lock:
            n_runs = len(self._runs)
        return f"TraceRecorder(variables={self.variables!r}, every={self.every}) with {n_runs} runs"

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_last", "_replays")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._lock, self._last, self._replays = threading.Lock(), {}, {}
