"""Tasks: the networks and data that rules are learned from and rated by."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse, spmatrix
from sklearn.base import clone
from sklearn.utils import check_array, check_consistent_length

from sklearn_metabp.estimators import (
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    FitData,
    check_data,
    trust_data,
)

BackpropMLP: TypeAlias = BackpropMLPClassifier | BackpropMLPRegressor

_FORMS = "(estimator, X, y), (estimator, X, y, X_val, y_val) or Task"


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """A network and the data to train it on, without the rule that trains it.

    A task is a record: it has an unfitted copy of the estimator, never changes, and pickles. Two
    tasks are equal if their estimators have the same class and parameters and their data the same
    values.

    The data are checked and converted once, when the task is made: data frames and lists become
    arrays, other sparse formats CSR. A network that was trained on a task therefore has no feature
    names.

    Parameters
    ----------
    estimator : BackpropMLPClassifier or BackpropMLPRegressor
        The network. A learned rule can be compared with its ``update_rule``. Its ``random_state``
        and its callbacks are left out, because every rollout has its own.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training rows.
    y : {array-like, sparse matrix} of shape (n_samples,) or (n_samples, n_outputs)
        Their labels or numbers.
    X_val : {array-like, sparse matrix} of shape (n_val_samples, n_features), default=None
        Rows to validate on after every epoch. They need ``y_val``.
    y_val : {array-like, sparse matrix} of shape (n_val_samples,) or (n_val_samples, n_outputs), \
            default=None
        Their labels or numbers.
    X_test : {array-like, sparse matrix} of shape (n_test_samples, n_features), default=None
        Rows on which :func:`compare_rules` reports, and which the objective ``"chosen_test_loss"``
        of a search uses. No training uses them. They need ``y_test``.
    y_test : {array-like, sparse matrix} of shape (n_test_samples,) or \
            (n_test_samples, n_outputs), default=None
        Their labels or numbers.

    Raises
    ------
    ValueError
        If the estimator has another type, or the data do not fit together or are not finite.

    See Also
    --------
    rollout : Train the network of a task.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> from sklearn_metabp.meta_training import Task
    >>> X, y = load_iris(return_X_y=True)
    >>> X, X_val, y, y_val = train_test_split(X, y, random_state=0)
    >>> Task(BackpropMLPClassifier((8,)), X, y, X_val, y_val)
    Task(BackpropMLPClassifier(hidden_layer_sizes=(8,)), 112 rows, 38 validation rows,
         4 features)
    """

    estimator: BackpropMLP
    X: ArrayLike | spmatrix
    y: ArrayLike | spmatrix
    X_val: ArrayLike | spmatrix | None = None
    y_val: ArrayLike | spmatrix | None = None
    X_test: ArrayLike | spmatrix | None = None
    y_test: ArrayLike | spmatrix | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.estimator, BackpropMLP):
            raise ValueError(
                "the estimator must be a BackpropMLPClassifier or BackpropMLPRegressor, whose "
                f"update_rule can be replaced, got {self.estimator!r}."
            )
        if self.estimator.n_members != 1:
            raise ValueError(
                f"a rollout trains one network, got an estimator with n_members="
                f"{self.estimator.n_members}: set n_members=1."
            )
        checked = {"estimator": clone(self.estimator).set_callbacks().set_params(random_state=None)}
        checked["X"], checked["y"] = _check_rows(self.estimator, "X", self.X, "y", self.y)
        for kind in ("val", "test"):
            checked |= self._check_other_rows(f"X_{kind}", f"y_{kind}", checked["X"].shape[1])
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def _check_other_rows(self, X_name: str, y_name: str, n_features: int) -> dict[str, Any]:
        """Return rows that are not trained on, checked, by name; nothing if there are none."""
        X, y = getattr(self, X_name), getattr(self, y_name)
        if (X is None) != (y is None):
            raise ValueError(f"{X_name} and {y_name} go together: pass both or neither.")
        if X is None:
            return {}
        X, y = _check_rows(self.estimator, X_name, X, y_name, y)
        if X.shape[1] != n_features:
            raise ValueError(
                f"{X_name} has {X.shape[1]} features and X has {n_features}: both must have the "
                "same."
            )
        return {X_name: X, y_name: y}

    @classmethod
    def of_trusted(
        cls,
        estimator: BackpropMLP,
        X: np.ndarray,
        y: np.ndarray,
        X_val: np.ndarray,
        y_val: np.ndarray,
        X_test: np.ndarray | None = None,
        y_test: np.ndarray | None = None,
    ) -> "Task":
        """Return a task of valid parts, which are neither checked nor copied.

        The checks take as long as a rollout of a small network.
        """
        task = object.__new__(cls)
        parts: dict[str, Any] = {"estimator": estimator, "X": X, "y": y}
        parts |= {"X_val": X_val, "y_val": y_val}
        if X_test is not None:
            parts |= {"X_test": X_test, "y_test": y_test}
        data = trust_data(estimator, X, y, X_val=X_val, y_val=y_val)
        task.__dict__.update(parts, fit_data=data)
        return task

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return _same_value(self.__getstate__(), other.__getstate__())

    def __getstate__(self) -> dict[str, Any]:
        # Without the values computed from the fields: copies, pickles and == do not depend on it.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def fit_data(self) -> FitData:
        """The data as ``fit`` checks them, once for all rollouts of the task.

        Raises
        ------
        ValueError
            If ``fit`` would refuse a parameter of the estimator or the data.
        """
        return check_data(self.estimator, self.X, self.y, X_val=self.X_val, y_val=self.y_val)

    def __hash__(self) -> int:
        return hash((type(self.estimator), np.shape(self.X), np.shape(self.y)))

    def __repr__(self) -> str:
        n_rows, n_features = self.X.shape  # type: ignore[union-attr]
        rows = f"{n_rows} rows"
        if self.X_val is not None:
            rows += f", {self.X_val.shape[0]} validation rows"  # type: ignore[union-attr]
        if self.X_test is not None:
            rows += f", {self.X_test.shape[0]} test rows"  # type: ignore[union-attr]
        return f"Task({self.estimator!r}, {rows}, {n_features} features)"


def as_tasks(tasks: Iterable[Task | tuple]) -> list[Task]:
    """Convert the argument ``tasks``, in which some may be tuples, to a list of tasks.

    Parameters
    ----------
    tasks : iterable of Task or tuple
        A tuple is (estimator, X, y) or (estimator, X, y, X_val, y_val).

    Returns
    -------
    tasks : list of Task

    Raises
    ------
    ValueError
        If the list is empty, or an element is no task. The error names its number.
    """
    wanted = f"tasks must be a list of {_FORMS}"
    if isinstance(tasks, Task):
        raise ValueError(f"{wanted}, got a single Task: put it into a list.")
    if not isinstance(tasks, Iterable) or isinstance(tasks, (str, bytes, dict, np.ndarray)):
        raise ValueError(f"{wanted}, with at least one, got {tasks!r}.")
    given = list(tasks)
    if not given:
        raise ValueError(f"{wanted}, with at least one, got {tasks!r}.")
    return [_as_task(number, task, wanted) for number, task in enumerate(given)]


def _as_task(number: int, task: Any, wanted: str) -> Task:
    if isinstance(task, Task):
        return task
    if not isinstance(task, (list, tuple)):
        raise ValueError(f"{wanted}; task {number} is a {type(task).__name__}.")
    if len(task) not in (3, 5):
        raise ValueError(f"{wanted}; task {number} is a {type(task).__name__} of {len(task)}.")
    try:
        return Task(*task)
    except (TypeError, ValueError) as error:
        raise ValueError(f"task {number}: {error}") from error


def _check_rows(
    estimator: BackpropMLP, X_name: str, X: Any, y_name: str, y: Any
) -> tuple[Any, Any]:
    """Check rows as the estimator's ``fit`` does, and return them in the same form."""
    try:
        check_consistent_length(X, y)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{X_name} and {y_name} do not go together: {error}") from error
    with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn sums X to look for NaN
        X = check_array(
            X,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            order="C",
            input_name=X_name,
            estimator=estimator,
        )
        y = check_array(
            y,
            accept_sparse="csr",
            dtype=None,
            ensure_2d=False,
            input_name=y_name,
            estimator=estimator,
        )
    return X, y


def _same_value(a: Any, b: Any) -> bool:
    """Compare arrays and records by their contents."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if issparse(a):
        return a.shape == b.shape and a.dtype == b.dtype and (a != b).nnz == 0
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same_value(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_same_value, a, b))
    # A dataclass compares arrays with ==, which gives an array and no answer.
    has_own_eq = type(a).__eq__ is not object.__eq__ and not is_dataclass(a)
    if has_own_eq or isinstance(a, (type, FunctionType, BuiltinFunctionType)):
        return bool(a == b)
    return _same_value(a.__getstate__(), b.__getstate__())
