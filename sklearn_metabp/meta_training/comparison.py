"""The comparison of update rules on tasks, some of them tuned for every task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import BaseCallback, check_count
from sklearn_metabp.meta_training.rollout import (
    Rollout,
    name_rollout_in_errors,
    rollout,
    rollout_seed,
)
from sklearn_metabp.meta_training.tasks import Task, as_tasks
from sklearn_metabp.meta_training.workers import Job, run_jobs
from sklearn_metabp.training import TrainingState
from sklearn_metabp.update_rules import TrainingRule, resolve_update_rule

Rule: TypeAlias = TrainingRule | FrozenEstimator | str

#: Measures of a training, where smaller is better; ``score`` stands beside them.
MEASURES = {
    "validation_loss": "lowest loss on the validation rows",
    "test_loss": "loss on the test rows after the epoch that the validation loss chose",
    "final_test_loss": "loss on the test rows after the last epoch",
    "training_loss": "training loss of the last epoch",
    "seconds": "wall time, that of all candidates included",
}
# Added to losses before they are divided: a loss of 0 has a ratio.
SMALL = 1e-8
# A ratio is cut off there, and so counts a training that diverged.
WORST_RATIO = 1e3


@dataclass(frozen=True)
class ComparedTraining:
    """One row of a comparison: the training that a rule was judged by, on one task from one start.

    Attributes
    ----------
    rule : str
        Name of the rule.
    task, start : int
        Numbers of the task and of its start, from 0.
    candidate : int
        Number of the candidate that was chosen, from 0; 0 for a rule without candidates.
    diverged : bool
        Whether that training diverged. Its losses are infinite then and its score is NaN.
    validation_loss, test_loss, final_test_loss, training_loss : float
        See ``MEASURES``. Without test rows the second and third are NaN.
    score : float
        Accuracy or R² on the test rows after the epoch that the validation loss chose.
    n_steps : int
        Number of steps.
    steps_to_reference : float
        Number of steps after which the training loss was first as low as the last one of the
        reference; infinite if it never was. It is counted in whole epochs.
    seconds : float
        Wall time of the training and of those of all other candidates.
    """

    rule: str
    task: int
    start: int
    candidate: int
    diverged: bool
    validation_loss: float
    test_loss: float
    final_test_loss: float
    training_loss: float
    score: float
    n_steps: int
    steps_to_reference: float
    seconds: float


@dataclass(frozen=True)
class RuleSummary:
    """The ratios of one rule to the reference over all tasks.

    A ratio of a task is the geometric mean over its starts.

    Attributes
    ----------
    rule : str
        Name of the rule.
    iqm, iqm_low, iqm_high : float
        Interquartile mean of the ratios, which is the mean of their middle half, and the ends of
        its 95 % bootstrap interval over groups of tasks.
    geometric_mean, median, worst : float
        Of the ratios.
    won : float
        Share of tasks with a ratio below 1.
    diverged : float
        Share of trainings that diverged.
    score_gain : float
        Mean difference of the scores to the reference, in points of a hundred.
    n_tasks : int
        Number of tasks.
    """

    rule: str
    iqm: float
    iqm_low: float
    iqm_high: float
    geometric_mean: float
    median: float
    worst: float
    won: float
    diverged: float
    score_gain: float
    n_tasks: int


@dataclass(frozen=True, eq=False)
class RuleComparison:
    """The result of :func:`compare_rules`.

    Attributes
    ----------
    trainings : list of ComparedTraining
        One per rule, task and start.
    rules : tuple of str
        Names of the rules, in the order in which they were given.
    reference : str
        Name of the rule that the others are compared with.
    groups : tuple
        Group of every task; the bootstrap draws groups.
    """

    trainings: list[ComparedTraining] = field(repr=False)
    rules: tuple[str, ...]
    reference: str
    groups: tuple = field(repr=False)

    def ratios(self, measure: str = "test_loss") -> dict[str, np.ndarray]:
        """Return the ratios to the reference, by rule.

        Parameters
        ----------
        measure : str, default="test_loss"
            One of ``MEASURES``.

        Returns
        -------
        ratios : dict of str to ndarray of shape (n_tasks,)
            Geometric means over the starts of every task. A training that diverged counts as a
            ratio of 1000; if the reference diverged too, it counts as 1.

        Raises
        ------
        ValueError
            If there is no such measure, or the tasks have no test rows and the measure needs them.
        """
        values = self._table(measure)
        if np.isnan(values[self.reference]).any():
            raise ValueError(f"measure={measure!r} needs tasks with X_test and y_test.")
        base = values[self.reference] + SMALL
        ratios = {}
        for name, of_rule in values.items():
            both = np.isinf(of_rule) & np.isinf(base)
            ratio = np.divide(of_rule + SMALL, base, out=np.ones_like(base), where=~both)
            logs = np.log(np.clip(ratio, 1 / WORST_RATIO, WORST_RATIO))
            ratios[name] = np.exp(logs.mean(axis=1))
        return ratios

    def summary(
        self,
        measure: str = "test_loss",
        *,
        n_resamples: int = 2000,
        random_state: int | np.random.RandomState | None = 0,
    ) -> list[RuleSummary]:
        """Return a record for every rule, in the order of ``rules``.

        Parameters
        ----------
        measure : str, default="test_loss"
            One of ``MEASURES``.
        n_resamples : int, default=2000
            Number of resamples of the bootstrap.
        random_state : int, RandomState instance or None, default=0
            The source of the resamples.

        Returns
        -------
        summary : list of RuleSummary

        Raises
        ------
        ValueError
            As :meth:`ratios`.
        """
        n_resamples = check_count("n_resamples", n_resamples)
        rng = check_random_state(random_state)
        ratios = self.ratios(measure)
        _, group_of = np.unique(np.array(self.groups, dtype=str), return_inverse=True)
        members = [np.flatnonzero(group_of == group) for group in range(group_of.max() + 1)]
        drawn = [
            np.concatenate(
                [members[group] for group in rng.randint(len(members), size=len(members))]
            )
            for _ in range(n_resamples)
        ]
        scores, diverged = self._table("score"), self._table("diverged")
        records = []
        for name in self.rules:
            ratio = ratios[name]
            resampled = [_interquartile_mean(ratio[tasks]) for tasks in drawn]
            low, high = np.percentile(resampled, [2.5, 97.5])
            gains = scores[name] - scores[self.reference]
            known = gains[np.isfinite(gains)]
            records.append(
                RuleSummary(
                    rule=name,
                    iqm=float(_interquartile_mean(ratio)),
                    iqm_low=float(low),
                    iqm_high=float(high),
                    geometric_mean=float(np.exp(np.log(ratio).mean())),
                    median=float(np.median(ratio)),
                    worst=float(ratio.max()),
                    won=float((ratio < 1).mean()),
                    diverged=float(diverged[name].mean()),
                    score_gain=100 * float(known.mean()) if len(known) else np.nan,
                    n_tasks=len(ratio),
                )
            )
        return records

    def to_frame(self) -> Any:
        """Return the trainings as a pandas DataFrame, one row per rule, task and start.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame([vars(training) for training in self.trainings])

    def _table(self, name: str) -> dict[str, np.ndarray]:
        """Return a value of all trainings by rule, (n_tasks, n_starts)."""
        if name not in (*MEASURES, "score", "diverged"):
            raise ValueError(f"measure must be one of {list(MEASURES)}, got {name!r}.")
        n_tasks = len(self.groups)
        return {
            rule: np.array(
                [getattr(one, name) for one in self.trainings if one.rule == rule], dtype=float
            ).reshape(n_tasks, -1)
            for rule in self.rules
        }


def compare_rules(
    rules: Mapping[str, Rule],
    tasks: Iterable[Task | tuple],
    *,
    tuned: Mapping[str, Sequence[Rule]] | None = None,
    reference: str | None = None,
    groups: Sequence[Any] | None = None,
    n_starts: int = 1,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    timeout: float | None = None,
) -> RuleComparison:
    """Compare update rules by the networks that they train.

    Every rule trains every task from the same starts, with the same batches. A tuned rule is a list
    of candidates: each trains, and the one with the lowest validation loss is judged. Validation
    rows also choose the epoch; test rows are reported and choose nothing.

    Parameters
    ----------
    rules : dict of str to UpdateRule or str
        Rules that are used as they are, by a name for the table.
    tasks : list of Task or of tuple (estimator, X, y, X_val, y_val)
        Every task needs validation rows. Test rows are optional, for all tasks or none.
    tuned : dict of str to list of UpdateRule or str, default=None
        Candidates of rules that are tuned for every task and start, by a name for the table.
    reference : str, default=None
        Name of the rule to compare with; None is the first tuned one, or the first of ``rules``.
    groups : list of shape (n_tasks,), default=None
        Group of every task, for example its data set: the bootstrap draws groups of tasks. None
        makes every task a group.
    n_starts : int, default=1
        Number of starts of every task.
    random_state : int, RandomState instance or None, default=None
        The source of the starts. Each start depends on it, on the number of the task and on the
        number of the start.
    n_jobs : int, default=None
        Number of tasks and starts that run at the same time on the joblib backend, which may be a
        Dask or Ray cluster. None is 1 on this machine, and all workers of a cluster. It does not
        change the result, except the seconds.
    timeout : float, default=None
        Seconds after which all trainings of a task from a start, sent to a worker process, count as
        lost and run again; None for no limit.

    Returns
    -------
    comparison : RuleComparison
        A table of all trainings, and their summary.

    Raises
    ------
    ValueError
        If a parameter is out of its range, a task lacks validation rows, or names are used twice.
    LostJobError
        If the trainings of a task end their worker process, or exceed the timeout, whenever they
        run.
    ClusterLostError
        If the Dask or Ray cluster cannot be reached any more.

    See Also
    --------
    make_rollout_scorer : Score one learned rule in a search.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, Adam, BackpropMLPClassifier
    >>> from sklearn_metabp.meta_training import Task, compare_rules
    >>> X, y = load_iris(return_X_y=True)
    >>> X, X_rest, y, y_rest = train_test_split(scale(X), y, random_state=0)
    >>> parts = train_test_split(X_rest, y_rest, test_size=0.5, random_state=0)
    >>> X_val, X_test, y_val, y_test = parts
    >>> network = BackpropMLPClassifier((8,), batch_size=30, max_iter=20)
    >>> task = Task(network, X, y, X_val, y_val, X_test, y_test)
    >>> comparison = compare_rules(
    ...     {"SGD 1e-4": SGD(1e-4)},
    ...     [task],
    ...     tuned={"Adam": [Adam(0.001), Adam(0.01), Adam(0.1)]},
    ...     n_starts=2,
    ...     random_state=0,
    ... )
    >>> [(one.rule, one.iqm > 1) for one in comparison.summary("training_loss")]
    [('SGD 1e-4', True), ('Adam', False)]
    """
    candidates = _check_rules(rules, tuned)
    names = tuple(candidates)
    if reference is None:
        reference = next(iter(tuned or names))
    if reference not in candidates:
        raise ValueError(f"reference must be one of {list(names)}, got {reference!r}.")
    checked = as_tasks(tasks)
    _check_tasks(checked)
    known_groups = tuple(range(len(checked)) if groups is None else groups)
    if len(known_groups) != len(checked):
        raise ValueError(
            f"groups must have one value per task, of which there are {len(checked)}, got "
            f"{len(known_groups)}."
        )
    n_starts = check_count("n_starts", n_starts)
    seed = int(check_random_state(random_state).randint(2**31))
    jobs = [
        Job(
            f"the comparison on task {number} from start {start}",
            _compare_from_start,
            (candidates, reference, task, number, start, seed),
        )
        for number, task in enumerate(checked)
        for start in range(n_starts)
    ]
    parts = run_jobs(jobs, n_jobs=n_jobs, timeout=timeout)
    return RuleComparison([one for part in parts for one in part], names, reference, known_groups)


def _interquartile_mean(values: np.ndarray) -> np.floating:
    """Return the mean without the lowest and the highest quarter of the values."""
    n_cut = len(values) // 4  # SciPy's trim_mean is the same, in a hundred times the time
    return np.sort(values)[n_cut : len(values) - n_cut].mean()


class _Weights(BaseCallback):
    """The weights after the epoch with the lowest validation loss, and after the last epoch."""

    def __init__(self) -> None:
        self.best: np.ndarray | None = None
        self.last: np.ndarray | None = None
        self._lowest = np.inf

    def on_epoch_end(
        self, estimator: Any, context: Any, state: TrainingState, params: np.ndarray
    ) -> bool:
        """Keep the weights of the epoch; never stop the training."""
        self.last = params.copy()
        if self.best is None or state.validation_loss_curve[-1] < self._lowest:
            self.best, self._lowest = self.last, state.validation_loss_curve[-1]
        return False


def _compare_from_start(
    candidates: Mapping[str, Sequence[Rule]],
    reference: str,
    task: Task,
    number: int,
    start: int,
    seed: int,
) -> list[ComparedTraining]:
    """Train all candidates of all rules from one start, and return a record per rule."""
    chosen = {}
    with name_rollout_in_errors(number, start):
        for name, of_rule in candidates.items():
            trainings = [_train(task, rule, rollout_seed(seed, number, start)) for rule in of_rule]
            losses = [_lowest_validation_loss(record) for record, _ in trainings]
            best = int(np.argmin(losses))
            seconds = sum(record.seconds for record, _ in trainings)
            chosen[name] = (best, seconds, *trainings[best])
        level = chosen[reference][2].loss
        return [
            ComparedTraining(
                rule=name,
                task=number,
                start=start,
                candidate=best,
                seconds=seconds,
                steps_to_reference=_steps_to(record, level),
                **_measure(task, record, weights),
            )
            for name, (best, seconds, record, weights) in chosen.items()
        ]


def _train(task: Task, rule: Rule, random_state: int) -> tuple[Rollout, _Weights]:
    weights = _Weights()
    record = rollout(task, rule, random_state, callbacks=[weights], return_estimator=True)
    return record, weights


def _lowest_validation_loss(record: Rollout) -> float:
    curve = record.validation_loss_curve
    if record.diverged or curve is None:
        return np.inf
    lowest = float(np.nanmin(curve))
    return lowest if np.isfinite(lowest) else np.inf


def _steps_to(record: Rollout, level: float) -> float:
    reached = np.flatnonzero(record.loss_curve <= level)
    if not len(reached) or record.diverged:
        return np.inf
    return float((reached[0] + 1) * record.n_steps / len(record.loss_curve))


def _measure(task: Task, record: Rollout, weights: _Weights) -> dict[str, Any]:
    """Return the values of a training that do not depend on the other rules."""
    network = record.estimator
    measured: dict[str, Any] = {
        "diverged": record.diverged,
        "validation_loss": _lowest_validation_loss(record),
        "training_loss": record.loss,
        "n_steps": record.n_steps,
        "test_loss": np.nan,
        "final_test_loss": np.nan,
        "score": np.nan,
    }
    if task.X_test is None:
        return measured
    if network is None or record.diverged:
        return measured | {"test_loss": np.inf, "final_test_loss": np.inf}
    targets = network.targets_.encode(task.y_test, network.layout_.dtype)
    losses = [
        network.network_.mean_loss(params, task.X_test, targets)
        for params in (weights.best, weights.last)
    ]
    outputs = network.network_.outputs(weights.best, task.X_test)
    score = network.targets_.score(task.y_test, outputs, None)
    return measured | {"test_loss": losses[0], "final_test_loss": losses[1], "score": score}


def _check_rules(
    rules: Mapping[str, Rule], tuned: Mapping[str, Sequence[Rule]] | None
) -> dict[str, list[Rule]]:
    """Return the candidates of every rule by name, one for a rule that is not tuned."""
    for name, given in (("rules", rules), ("tuned", tuned or {})):
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} must be a dict of rules by name, got {given!r}.")
    candidates: dict[str, list[Rule]] = {name: [rule] for name, rule in rules.items()}
    for name, of_rule in (tuned or {}).items():
        if name in candidates:
            raise ValueError(f"{name!r} is a name in rules and in tuned: give each its own.")
        if isinstance(of_rule, (str, TrainingRule)) or not len(of_rule):
            raise ValueError(f"tuned[{name!r}] must be a list of one or more rules.")
        candidates[name] = list(of_rule)
    if not candidates:
        raise ValueError("rules and tuned have no rule: there is nothing to compare.")
    for name, of_rule in candidates.items():
        for rule in of_rule:
            resolve_update_rule(rule, name)
    return candidates


def _check_tasks(tasks: Sequence[Task]) -> None:
    without = [number for number, task in enumerate(tasks) if task.X_val is None]
    if without:
        raise ValueError(
            f"task {without[0]} has no validation rows, which choose the epoch and the candidate: "
            "make it with X_val and y_val."
        )
    if len({task.X_test is None for task in tasks}) > 1:
        raise ValueError("some tasks have test rows and some have none: give all of them, or none.")
    for number, task in enumerate(tasks):
        if task.estimator.early_stopping:
            raise ValueError(
                f"the estimator of task {number} has early_stopping=True, which would end rules "
                "at different epochs: set it to False."
            )
