"""A rollout: one training of a task's network by a rule, and what came of it."""

import contextlib
import copy
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp.meta_training.tasks import BackpropMLP, Task
from sklearn_metabp.training import DivergenceError
from sklearn_metabp.update_rules import UpdateRule, resolve_update_rule


@dataclass(frozen=True, eq=False)
class Rollout:
    """What came of one training; :func:`rollout` makes it.

    Attributes
    ----------
    loss : float
        Training loss of the last epoch, the ``loss_`` of the estimator; infinite if the training
        diverged.
    n_steps : int
        Steps taken: batches, or iterations of a rule that searches along lines.
    diverged : bool
        Whether a loss, an update or a weight stopped being finite.
    seconds : float
        Wall time of the fit.
    loss_curve : ndarray of shape (n_epochs,)
        Training loss of every epoch. Of a training that diverged no curve is left and it is empty,
        unless the estimator's ``early_stopping`` kept the weights of its best epoch.
    validation_loss_curve : ndarray of shape (n_epochs,) or None
        Loss on the validation rows after every epoch. None if the task has none and the estimator
        sets none aside.
    validation_scores : ndarray of shape (n_epochs,) or None
        Accuracy, R² or the estimator's ``scoring`` on the validation rows after every epoch.
    estimator : BackpropMLPClassifier, BackpropMLPRegressor or None
        The trained network, if it was asked for and the training left one.

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
    estimator: BackpropMLP | None = field(default=None, repr=False)


def rollout(
    task: Task,
    rule: UpdateRule | str,
    random_state: int | np.random.RandomState | None = None,
    *,
    n_epochs: int | None = None,
    callbacks: Sequence[Any] = (),
    return_estimator: bool = False,
) -> Rollout:
    """Train a copy of a task's network by a rule, and record what came of it.

    It is ``fit`` of the task's estimator with another ``update_rule`` and ``random_state``. A
    training that diverges is a result and no exception, a training that ends before it converged no
    warning.

    Parameters
    ----------
    task : Task
        The network and its data. It is not changed.
    rule : str, UpdateRule or FrozenEstimator
        What may stand in ``update_rule``. It is not copied.
    random_state : int, RandomState instance or None, default=None
        Draws the start and the order of the rows. The same integer gives the same bits.
    n_epochs : int, default=None
        Epochs at most, in place of the estimator's ``max_iter``.
    callbacks : sequence of callback, default=()
        Callbacks of this training, such as a :class:`TraceRecorder`.
    return_estimator : bool, default=False
        Whether the record holds the trained network.

    Returns
    -------
    record : Rollout

    Raises
    ------
    ValueError
        If ``n_epochs`` is out of its range, or the estimator's ``fit`` refuses a parameter or the
        data.
    NotFittedError
        If the rule is a learned one that has not been fitted.
    KeyboardInterrupt
        On Ctrl-C: a training that was cut off says nothing about the rule.

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
    >>> rollout(task, SGD(0.1), random_state=0, n_epochs=20).loss < 0.3
    True
    >>> wild = rollout(task, SGD(1e200), random_state=0)
    >>> wild.diverged, wild.loss
    (True, inf)
    """
    if not isinstance(task, Task):
        raise ValueError(f"task must be a Task, got {task!r}.")
    rule = resolve_update_rule(rule, "rule")
    network = _make_network(task, rule)
    network.random_state = random_state
    if n_epochs is not None:
        network.max_iter = check_count("n_epochs", n_epochs, 1)
    network.set_callbacks(*callbacks)
    validation = {} if task.X_val is None else {"X_val": task.X_val, "y_val": task.y_val}
    began = time.perf_counter()
    try:
        with _quiet():
            network.fit(task.X, task.y, **validation)
    except DivergenceError as error:
        seconds = time.perf_counter() - began
        curve = np.empty(0) if validation or network.early_stopping else None
        return Rollout(np.inf, error.step - 1, True, seconds, np.empty(0), curve, curve)
    seconds = time.perf_counter() - began
    state = network._training_state
    diverged = state.divergence is not None  # the network then has the weights of its best epoch
    return Rollout(
        loss=np.inf if diverged else float(network.loss_),
        n_steps=state.n_steps,
        diverged=diverged,
        seconds=seconds,
        loss_curve=np.array(network.loss_curve_),
        validation_loss_curve=_array_or_none(network.validation_loss_curve_),
        validation_scores=_array_or_none(network.validation_scores_),
        estimator=network if return_estimator else None,
    )


def rollout_seed(seed: int, task: int, start: int) -> int:
    """Seed of one of many rollouts, which depends on nothing but these three numbers.

    Parameters
    ----------
    seed : int
        Of all of them.
    task : int
        Number of the task, from 0.
    start : int
        Number of the task's start, from 0.

    Returns
    -------
    seed : int

    Examples
    --------
    >>> from sklearn_metabp.meta_training import rollout_seed
    >>> rollout_seed(0, 3, 1) == rollout_seed(0, 3, 1) != rollout_seed(0, 1, 3)
    True
    """
    return int(np.random.SeedSequence([seed, task, start]).generate_state(1)[0])


@contextlib.contextmanager
def naming_rollout(task: int, start: int) -> Iterator[None]:
    """Add to an error of a rollout which of many it was."""
    try:
        yield
    except Exception as error:
        error.add_note(
            f"This was in the rollout of task {task} from start {start}; both count from 0."
        )
        raise


def check_count(name: str, value: Any, least: int) -> int:
    """Return a parameter that counts something.

    Raises
    ------
    ValueError
        If it is no integer, or less than ``least``.
    """
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} must be an integer of {least} or more, got {value!r}.")
    return int(value)


def _make_network(task: Task, rule: UpdateRule) -> BackpropMLP:
    """Copy the task's estimator for one training.

    ``clone`` and ``set_params`` would take longer than a small network needs for an epoch.
    """
    # The memo puts the rule in the place of the estimator's own, which a copy could be expensive
    # of.
    network = copy.deepcopy(task.estimator, {id(task.estimator.update_rule): rule})
    network.update_rule = rule  # a name has no place in the memo
    return network


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what is no news in a rollout, and let Ctrl-C through, which ``fit`` makes a warning of."""
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


def _array_or_none(curve: list[float] | None) -> np.ndarray | None:
    return None if curve is None else np.array(curve)
