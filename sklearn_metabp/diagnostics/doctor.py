"""A callback that diagnoses a training."""

import sys
import threading
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from sklearn.exceptions import NotFittedError

from sklearn_metabp.callbacks.base import Callback
from sklearn_metabp.diagnostics.course import Course, Ending
from sklearn_metabp.diagnostics.diagnosis import Diagnosis, course_of, judge, without_steps
from sklearn_metabp.diagnostics.observer import Observer
from sklearn_metabp.network import Step
from sklearn_metabp.training import DivergenceError, TrainingState
from sklearn_metabp.update_rules import resolve_update_rule


class TrainingDoctor(Callback):
    """Callback that describes the problems of a training in words, with advice.

    Pass it to ``set_callbacks``. It observes a few dozen steps, however long the training is: the
    first steps, and steps that are spread evenly over the rest. It does not receive other steps, so
    these take no additional time. It keeps some hundred rows. So its memory is limited, and its
    time per step falls with the length of the training. It does not change the training.

    ``partial_fit`` and ``warm_start`` continue the observed training. Clones of an estimator share
    the doctor, which has the diagnosis of the training that ended last. In a search with worker
    processes this is the refit.

    Parameters
    ----------
    verbose : bool, default=False
        If True, the diagnosis is printed when a training ends, also after an error.

    Attributes
    ----------
    diagnosis_ : Diagnosis
        The diagnosis of the last training, also if an error ended it. It is computed when it is
        read for the first time.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    sklearn_metabp.diagnostics.diagnose : The same for a recorded training.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp import DivergenceError, TrainingDoctor
    >>> X, y = load_iris(return_X_y=True)
    >>> doctor = TrainingDoctor()
    >>> model = BackpropMLPClassifier(
    ...     (8,), update_rule=SGD(2000), batch_size=30, random_state=0
    ... )
    >>> try:
    ...     model = model.set_callbacks(doctor).fit(scale(X), y)
    ... except DivergenceError:
    ...     print(doctor.diagnosis_.names[0])
    rate too high
    """

    def __init__(self, *, verbose: bool = False) -> None:
        if not isinstance(verbose, (bool, np.bool_)):
            raise ValueError(f"verbose must be True or False, got {verbose!r}.")
        self.verbose = bool(verbose)
        self._diagnosis: Diagnosis | None = None
        self._start_in_this_process()

    def _start_in_this_process(self) -> None:
        self._lock = threading.RLock()
        self._visits: WeakKeyDictionary[Any, _Visit] = WeakKeyDictionary()
        self._unread: tuple[Course, int] | None = None

    @property
    def diagnosis_(self) -> Diagnosis:
        """The diagnosis of the last training.

        Raises
        ------
        NotFittedError
            If no training has been observed.
        """
        with self._lock:
            if self._unread is not None:
                self._diagnosis, self._unread = judge(*self._unread), None
            if self._diagnosis is None:
                raise NotFittedError(
                    "this TrainingDoctor has observed no training yet: pass it to an estimator's "
                    "set_callbacks and call its fit."
                )
            return self._diagnosis

    skips_epochs = True

    def _visit(self, estimator: Any) -> "_Visit":
        with self._lock:
            return self._visits.setdefault(estimator, _Visit())

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin to observe a fit."""
        self._visit(estimator).forget_fit()

    def resume_training(
        self, estimator: Any, context: Any, state: TrainingState, data: Any
    ) -> None:
        """Keep a reference to the state of the training."""
        visit = self._visits[estimator]
        visit.state, visit.params = state, state.params

    def next_step(self, estimator: Any, index: int) -> float:
        """Return the number of the next step to observe, in every fit the first one."""
        visit = self._visits[estimator]
        if visit.is_new:
            return index
        first = visit.observer.first_index
        return first + visit.observer.next_wanted(index - first)

    def on_step_end(self, estimator: Any, context: Any, step: Step) -> None:
        """Look at a step."""
        visit = self._visits[estimator]
        if visit.is_new:
            visit.is_new = False
            if not visit.observer.continues_with(step):
                visit.observer = Observer()
        observer = visit.observer
        observer.see(step, step.index - observer.first_index if observer.network else 0)

    def on_training_end(self, estimator: Any, context: Any, n_steps: int) -> None:
        """Count the steps after the last observed one."""
        visit = self._visits[estimator]
        if not visit.is_new:
            visit.observer.last_index = n_steps

    def on_epoch_end(
        self, estimator: Any, context: Any, state: TrainingState, params: np.ndarray
    ) -> None:
        """Keep references to the state and the parameters."""
        visit = self._visits[estimator]
        visit.state, visit.params = state, params

    def save_training(
        self,
        estimator: Any,
        context: Any,
        state: TrainingState,
        stopped: bool,
        *,
        finished: bool,
    ) -> None:
        """Store the reason why the training ended."""
        if finished:
            visit = self._visits[estimator]
            visit.state, visit.params = state, estimator.params_
            visit.stopped = stopped

    def teardown(self, estimator: Any, context: Any) -> None:
        """End a fit, also after an error, and print the diagnosis if ``verbose`` is True."""
        visit = self._visit(estimator)  # a new one if the setup of another callback failed
        error = sys.exception()  # the error that ends the fit
        if visit.is_new or not visit.observer.looks:
            visit.forget_fit()
            if error is None:  # the training was already finished
                return
            with self._lock:
                self._diagnosis, self._unread = without_steps(error), None
        else:
            course = visit.course(estimator, error)
            with self._lock:
                self._unread = course, visit.observer.last_index
        visit.forget_fit()
        if self.verbose:
            print(self.diagnosis_)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            if self._unread is not None:
                self._diagnosis, self._unread = judge(*self._unread), None
            state = self.__dict__.copy()
        for name in ("_lock", "_visits", "_unread"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start_in_this_process()

    def __repr__(self) -> str:
        return f"TrainingDoctor(verbose={self.verbose})"


class _Visit:
    """The observations of one estimator's training, kept as long as the estimator exists."""

    def __init__(self) -> None:
        self.observer = Observer()
        self.forget_fit()

    def forget_fit(self) -> None:
        """Remove the data of the last fit."""
        self.is_new, self.stopped = True, False
        self.state: TrainingState | None = None
        self.params: np.ndarray | None = None

    def course(self, estimator: Any, error: BaseException | None) -> Course:
        """Return the course of the training, which ended with an error or without one."""
        state, losses, divergence = self.state, [], None
        params = None if self.params is None else np.array(self.params)
        if state is not None:
            losses, divergence = list(state.loss_curve), state.divergence
        if isinstance(error, DivergenceError):
            losses, divergence, params = error.loss_curve, str(error), None
        rule = resolve_update_rule(estimator.update_rule)
        validation = ([], []) if state is None else (
            list(state.validation_loss_curve), list(state.validation_scores)
        )  # fmt: skip
        ending = Ending(
            is_known=True,
            divergence=divergence,
            ran_out_of_patience=self.stopped and divergence is None and not rule.tests_convergence,
            takes_steps=rule.takes_steps,
            validation_losses=np.array(validation[0], np.float64),
        )
        return course_of(self.observer, np.array(losses, np.float64), params, ending)
