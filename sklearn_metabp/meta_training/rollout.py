"""A rollout: one training of a task's network by a rule, and the record of its result."""

import contextlib
import copy
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.estimators import count_batches, fit_checked
from sklearn_metabp.meta_training.tasks import BackpropMLP, Task
from sklearn_metabp.training import DivergenceError, TrainingState
from sklearn_metabp.update_rules import TrainingRule, resolve_update_rule


@dataclass(frozen=True, eq=False)
class Rollout:
    """The result of one training; :func:`rollout` makes it.

    Attributes
    ----------
    loss : float
        Training loss of the last epoch, the ``loss_`` of the estimator. Infinite if the training
        diverged.
    n_steps : int
        Number of steps: batches, or iterations of a rule that searches along lines.
    diverged : bool
        True if a loss, an update or a weight was not finite any more.
    seconds : float
        Wall time of the fit.
    loss_curve : ndarray of shape (n_epochs,)
        Training loss of every epoch; after a divergence, of every epoch that ended before it.
    validation_loss_curve : ndarray of shape (n_epochs,) or None
        Loss on the validation rows after every epoch. None without validation rows, of the task or
        set aside by the estimator. Empty after a divergence, unless the estimator's
        ``early_stopping`` kept the weights of its best epoch.
    validation_scores : ndarray of shape (n_epochs,) or None
        Accuracy, R² or the estimator's ``scoring`` on the validation rows after every epoch; None
        or empty as ``validation_loss_curve``.
    chosen_test_loss : float
        Loss on the test rows of the task after the validated epoch with the lowest validation loss.
        NaN without test rows or without validation rows; infinite after a divergence.
    n_planned_epochs : int
        Number of planned epochs.
    estimator : BackpropMLPClassifier, BackpropMLPRegressor or None
        The trained network, if ``return_estimator`` was True and the training left one.

    See Also
    --------
    rollout : Train the network of a task.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> from sklearn_metabp.meta_training import Task, rollout
    >>> X, y = load_iris(return_X_y=True)
    >>> task = Task(BackpropMLPClassifier((8,), batch_size=50, max_iter=4), X, y)
    >>> record = rollout(task, "adam", random_state=0)
    >>> record.n_steps, record.loss_curve.shape, record.validation_scores
    (12, (4,), None)
    """

    loss: float
    n_steps: int
    diverged: bool
    seconds: float
    loss_curve: np.ndarray = field(repr=False)
    validation_loss_curve: np.ndarray | None = field(default=None, repr=False)
    validation_scores: np.ndarray | None = field(default=None, repr=False)
    chosen_test_loss: float = np.nan
    n_planned_epochs: int = 0
    estimator: BackpropMLP | None = field(default=None, repr=False)


def rollout(
    task: Task,
    rule: TrainingRule | FrozenEstimator | str,
    random_state: int | np.random.RandomState | None = None,
    *,
    n_epochs: int | None = None,
    n_validations: int | None = None,
    validation_scores: bool = True,
    callbacks: Sequence[Any] = (),
    return_estimator: bool = False,
) -> Rollout:
    """Train a copy of a task's network by a rule, and return a record of the result.

    The training is ``fit`` of the task's estimator with another ``update_rule`` and
    ``random_state``. A training that diverges is a result and raises nothing, and a training that
    ends before it converged gives no warning.

    Parameters
    ----------
    task : Task
        The network and its data. It is not changed.
    rule : str, UpdateRule or FrozenEstimator
        Any value that ``update_rule`` of an estimator takes. It is not copied.
    random_state : int, RandomState instance or None, default=None
        The source of the start and of the order of the rows. The same integer gives the same bits.
    n_epochs : int, default=None
        The largest number of epochs, in place of the estimator's ``max_iter``.
    n_validations : int, default=None
        Number of epochs, spread evenly and the last among them, after which the validation rows are
        evaluated; None for all epochs. The curves of the validation have NaN elsewhere. It saves
        time: on small networks a validation takes as long as many steps. A rule that uses the
        validation loss receives it after these epochs only.
    validation_scores : bool, default=True
        True to compute the scores on the validation rows. They may take longer than the losses.
        Otherwise the scores are minus the losses.
    callbacks : sequence of callback, default=()
        Callbacks of this training, such as a :class:`TraceRecorder`.
    return_estimator : bool, default=False
        True if the record has the trained network.

    Returns
    -------
    record : Rollout

    Raises
    ------
    ValueError
        If ``n_epochs`` or ``n_validations`` is out of its range, if ``n_validations`` is given for
        an estimator that stops early by its validation score, or if the estimator's ``fit`` refuses
        a parameter or the data.
    NotFittedError
        If the rule is a learned one that has not been fitted.
    KeyboardInterrupt
        On Ctrl-C, because an interrupted training is no result of the rule.

    See Also
    --------
    make_rollout_scorer : Judge a rule by many rollouts.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier
    >>> from sklearn_metabp.meta_training import Task, rollout
    >>> X, y = load_iris(return_X_y=True)
    >>> task = Task(BackpropMLPClassifier((8,), batch_size=30), scale(X), y)
    >>> print(f"{rollout(task, SGD(0.1), random_state=0, n_epochs=20).loss:.2f}")
    0.21
    >>> wild = rollout(task, SGD(1e200), random_state=0)
    >>> wild.diverged, wild.loss
    (True, inf)
    """
    if not isinstance(task, Task):
        raise ValueError(f"task must be a Task, got {task!r}.")
    if not isinstance(random_state, (Integral, np.random.RandomState, type(None))):
        raise ValueError(
            f"random_state must be an integer, a RandomState or None, got {random_state!r}."
        )
    network = _make_network(task, resolve_update_rule(rule, "rule"))
    network.random_state = random_state
    if n_epochs is not None:
        network.max_iter = check_count("n_epochs", n_epochs)
    network.set_callbacks(*callbacks)
    if n_validations is not None:
        _check_n_validations(network, n_validations)
    return _train(
        network,
        task,
        n_validations=n_validations,
        validation_scores=validation_scores,
        return_estimator=return_estimator,
    )


class RolloutPart(NamedTuple):
    """The result of a part of a training; :func:`rollout_part` makes it.

    Attributes
    ----------
    record : Rollout
        Record of the epochs of this part alone.
    state : TrainingState or None
        The state to continue from; None if the training has ended.
    """

    record: Rollout
    state: TrainingState | None


def rollout_part(
    task: Task,
    rule: TrainingRule,
    random_state: int,
    state: TrainingState | None,
    n_steps: int,
    *,
    n_validations: int | None = None,
    validation_scores: bool = True,
) -> RolloutPart:
    """Train a copy of a task's network for a part of its epochs.

    Consecutive parts under one rule are identical to the training of :func:`rollout`.

    Parameters
    ----------
    task, rule, n_validations, validation_scores
        See :func:`rollout`.
    random_state : int
        The source of the start and of the order of the rows.
    state : TrainingState or None
        The state that the part before returned; None for the first part. It is not changed. The
        rule may differ from that of the part before.
    n_steps : int
        Length of the part, rounded to whole epochs, at least one.

    Returns
    -------
    part : RolloutPart
    """
    network = _make_network(task, rule)
    network.random_state = random_state
    network.set_callbacks()
    if n_validations is not None:
        _check_n_validations(network, n_validations)
    n_epochs = max(1, round(n_steps / count_batches(network, task.fit_data)))
    record = _train(
        network,
        task,
        resumed=None if state is None else state.copy(),
        n_epochs=n_epochs,
        n_validations=n_validations,
        validation_scores=validation_scores,
        return_estimator=True,
    )
    if record.estimator is None or record.diverged:
        return RolloutPart(record, None)
    state = record.estimator._training_state
    has_ended = len(record.loss_curve) < n_epochs or state.n_epochs >= network.max_iter
    return RolloutPart(record, None if has_ended else state)


def _train(
    network: BackpropMLP,
    task: Task,
    *,
    resumed: TrainingState | None = None,
    n_epochs: int | None = None,
    n_validations: int | None,
    validation_scores: bool,
    return_estimator: bool,
) -> Rollout:
    """Train a network, from a state for a number of epochs if they are given."""
    first = 0 if resumed is None else resumed.n_epochs
    n_steps_before = 0 if resumed is None else resumed.n_steps
    n_left = network.max_iter - first
    n_planned = n_left if n_epochs is None else min(n_left, n_epochs)
    epochs = None if n_validations is None else _spread_epochs(first, n_planned, n_validations)
    data = task.fit_data
    is_validated = task.X_val is not None or network.early_stopping
    chosen = _ChosenParams() if is_validated and task.X_test is not None else None
    began = time.perf_counter()
    try:
        with _quiet():
            fit_checked(
                network,
                data,
                validation_epochs=epochs,
                validation_scores=validation_scores,
                on_validation=None if chosen is None else chosen.note,
                resumed=resumed,
                n_epochs=n_epochs,
                warns=False,
            )
    except DivergenceError as error:
        seconds = time.perf_counter() - began
        # A fit that raises leaves no validation curve.
        curve = np.empty(0) if is_validated else None
        return Rollout(
            loss=np.inf,
            n_steps=error.step - 1 - n_steps_before,
            diverged=True,
            seconds=seconds,
            loss_curve=np.array(error.loss_curve[first:], float),
            validation_loss_curve=curve,
            validation_scores=curve,
            chosen_test_loss=np.nan if chosen is None else np.inf,
            n_planned_epochs=n_planned,
        )
    seconds = time.perf_counter() - began
    state = network._training_state
    diverged = state.divergence is not None  # the network then has the weights of its best epoch
    return Rollout(
        loss=np.inf if diverged else float(network.loss_),
        n_steps=state.n_steps - n_steps_before,
        diverged=diverged,
        seconds=seconds,
        loss_curve=np.array(network.loss_curve_)[first:],
        validation_loss_curve=_array_or_none(network.validation_loss_curve_, first),
        validation_scores=_array_or_none(network.validation_scores_, first),
        chosen_test_loss=np.nan if chosen is None else chosen.test_loss(network, task),
        n_planned_epochs=n_planned,
        estimator=network if return_estimator else None,
    )


def rollout_seed(seed: int, task: int, start: int) -> int:
    """Return the seed of one of many rollouts, which depends on these three numbers alone.

    Parameters
    ----------
    seed : int
        Seed of all rollouts.
    task : int
        Number of the task, from 0.
    start : int
        Number of the start of the task, from 0.

    Returns
    -------
    seed : int

    Examples
    --------
    >>> from sklearn_metabp.meta_training import rollout_seed
    >>> rollout_seed(0, 3, 1), rollout_seed(0, 1, 3)
    (3679268941, 1680122868)
    """
    return int(np.random.SeedSequence([seed, task, start]).generate_state(1)[0])


@contextlib.contextmanager
def name_rollout_in_errors(task: int, start: int) -> Iterator[None]:
    """Add a note with the number of the rollout to every error inside."""
    try:
        yield
    except Exception as error:
        error.add_note(
            f"This was in the rollout of task {task} from start {start}; both count from 0."
        )
        raise


def _make_network(task: Task, rule: TrainingRule) -> BackpropMLP:
    """Copy the task's estimator for one training.

    ``clone`` and ``set_params`` would take longer than a small network needs for an epoch.
    """
    # The memo replaces the rule of the estimator, which may be expensive to copy.
    network = copy.deepcopy(task.estimator, {id(task.estimator.update_rule): rule})
    network.update_rule = rule  # the memo does nothing where the estimator has a name
    return network


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings that are expected in a rollout, and raise KeyboardInterrupt again.

    ``fit`` turns Ctrl-C into a warning.
    """
    # A learner may overflow before the loop finds that the training diverges.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("error", "Training interrupted by user", UserWarning)
        try:
            yield
        except UserWarning as warning:
            if isinstance(warning.__context__, KeyboardInterrupt):
                raise warning.__context__ from None
            raise


def _check_n_validations(network: BackpropMLP, n_validations: int) -> None:
    check_count("n_validations", n_validations, 1)
    if network.early_stopping:
        raise ValueError(
            "n_validations leaves epochs out, and this estimator validates every epoch to stop "
            "early: set its early_stopping=False."
        )


def _spread_epochs(first: int, n_epochs: int, n_validations: int) -> frozenset[int]:
    """Return the numbers of the epochs, from 1, after which to validate; ``first`` are over."""
    n = min(n_validations, n_epochs)
    return frozenset(first + n_epochs * number // n for number in range(1, n + 1))


class _ChosenParams:
    """The parameters with the lowest validation loss so far.

    The test rows are evaluated once, at the end: a copy of the parameters at every improvement
    takes less time than one more evaluation.
    """

    def __init__(self) -> None:
        self._params: np.ndarray | None = None
        self._lowest = np.inf

    def note(self, params: np.ndarray, loss: float) -> None:
        """Keep a copy of the parameters if the loss is the lowest so far."""
        if loss < self._lowest:
            self._params, self._lowest = params.copy(), loss

    def test_loss(self, network: BackpropMLP, task: Task) -> float:
        """Return the loss of a trained network with them on the task's test rows."""
        if self._params is None:
            return np.inf
        targets = network.targets_.encode_rows(task.X_test, task.y_test, network.layout_.dtype)
        return network.network_.mean_loss(self._params, task.X_test, targets)


def _array_or_none(curve: list[float] | None, first: int) -> np.ndarray | None:
    return None if curve is None else np.array(curve[first:])
