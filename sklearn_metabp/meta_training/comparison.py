"""The comparison of update rules on tasks, some of them tuned for every task."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import Callback, check_count
from sklearn_metabp.meta_training.rollout import (
    Rollout,
    name_rollout_in_errors,
    rollout,
    rollout_seed,
)
from sklearn_metabp.meta_training.rule_comparison import ComparedTraining, RuleComparison
from sklearn_metabp.meta_training.tasks import Task, as_tasks
from sklearn_metabp.meta_training.workers import Job, run_jobs
from sklearn_metabp.training import TrainingState
from sklearn_metabp.update_rules import TrainingRule, resolve_update_rule

Rule: TypeAlias = TrainingRule | FrozenEstimator | str


def compare_rules(
    rules: Mapping[str, Rule],
    tasks: Iterable[Task | tuple],
    *,
    tuned: Mapping[str, Sequence[Rule]] | None = None,
    reference: str | None = None,
    settings: Sequence[Any] | None = None,
    groups: Sequence[Any] | None = None,
    n_starts: int = 1,
    n_validations: int | None = None,
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
        Rules without tuning, by a name for the table.
    tasks : list of Task or of tuple (estimator, X, y, X_val, y_val)
        Every task needs validation rows. Test rows are optional, for all tasks or none.
    tuned : dict of str to list of UpdateRule or str, default=None
        Candidates of rules that are tuned for every task and start, by a name for the table.
    reference : str, default=None
        Name of the rule to compare with; None is the first tuned one, or the first of ``rules``.
    settings : list of shape (n_tasks,), default=None
        Setting of every task, for example its name. Tasks of one setting, such as several splits of
        the same rows, count as one: their ratios are averaged. None makes every task a setting.
    groups : list of shape (n_tasks,), default=None
        Group of every task, for example its data set: the bootstrap draws groups of settings. None
        makes every setting a group.
    n_starts : int, default=1
        Number of starts of every task.
    n_validations : int, default=None
        Number of epochs, spread evenly and the last among them, after which the validation rows are
        evaluated; None for all. The judged epoch is one of them. The number is the same for all
        rules. It saves time, because on small networks a validation takes as long as many steps.
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
        If a parameter is out of its range, a task lacks validation rows, names are used twice, or a
        setting is in two groups.
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
    known_settings = _check_labels("settings", settings, tuple(range(len(checked))))
    known_groups = _check_labels("groups", groups, known_settings)
    _check_settings(known_settings, known_groups)
    n_starts = check_count("n_starts", n_starts)
    if n_validations is not None:
        n_validations = check_count("n_validations", n_validations)
    seed = int(check_random_state(random_state).randint(2**31))
    jobs = [
        Job(
            f"the comparison on task {number} from start {start}",
            _compare_from_start,
            (candidates, task, number, start, seed, n_validations),
        )
        for number, task in enumerate(checked)
        for start in range(n_starts)
    ]
    parts = run_jobs(jobs, n_jobs=n_jobs, timeout=timeout)
    trainings = [one for part in parts for one in part]
    return RuleComparison(trainings, names, reference, known_settings, known_groups)


class _BestEpoch(Callback):
    """The weights after the epoch with the lowest validation loss, of those that validate."""

    def __init__(self) -> None:
        self.loss = np.inf
        self.params: np.ndarray | None = None

    def on_epoch_end(
        self, estimator: Any, context: Any, state: TrainingState, params: np.ndarray
    ) -> bool:
        """Keep the weights if the validation loss is the lowest; never stop the training."""
        curve = state.validation_loss_curve
        if len(curve) == state.n_epochs:  # otherwise there was no validation after this epoch
            self.note(curve[-1], params)
        return False

    def note(self, loss: float, params: np.ndarray) -> None:
        """Keep weights if their validation loss is the lowest."""
        if self.params is None or loss < self.loss:
            self.params, self.loss = params.copy(), loss


class _Candidate(NamedTuple):
    """A training of a candidate, with its lowest validation loss and the weights that had it."""

    record: Rollout
    validation_loss: float
    params: np.ndarray | None


def _compare_from_start(
    candidates: Mapping[str, Sequence[Rule]],
    task: Task,
    number: int,
    start: int,
    seed: int,
    n_validations: int | None,
) -> list[ComparedTraining]:
    """Train all candidates of all rules from one start, and return a record per rule."""
    compared = []
    random_state = rollout_seed(seed, number, start)
    with name_rollout_in_errors(number, start):
        for name, of_rule in candidates.items():
            trainings = [_train(task, rule, random_state, n_validations) for rule in of_rule]
            best = int(np.argmin([one.validation_loss for one in trainings]))
            compared.append(
                ComparedTraining(
                    rule=name,
                    task=number,
                    start=start,
                    candidate=best,
                    seconds=sum(one.record.seconds for one in trainings),
                    **_measure(task, trainings[best]),
                )
            )
    return compared


def _train(task: Task, rule: Rule, random_state: int, n_validations: int | None) -> _Candidate:
    best = _BestEpoch()
    record = rollout(
        task,
        rule,
        random_state,
        n_validations=n_validations,
        validation_scores=False,
        callbacks=[best],
        return_estimator=True,
    )
    if record.diverged:
        return _Candidate(record, np.inf, None)
    network: Any = record.estimator
    curve = record.validation_loss_curve
    if curve is None or len(curve) < len(record.loss_curve):
        # A rule that searches along lines may end early, after an epoch without validation.
        best.note(_mean_loss(network, network.params_, task.X_val, task.y_val), network.params_)
    return _Candidate(record, best.loss if np.isfinite(best.loss) else np.inf, best.params)


def _mean_loss(network: Any, params: np.ndarray, X: Any, y: Any) -> float:
    targets = network.targets_.encode_rows(X, y, network.layout_.dtype)
    return network.network_.mean_loss(params, X, targets)


def _measure(task: Task, candidate: _Candidate) -> dict[str, Any]:
    """Return the values of a training that do not depend on the other candidates."""
    record, params = candidate.record, candidate.params
    network = record.estimator
    measured: dict[str, Any] = {
        "diverged": record.diverged,
        "validation_loss": candidate.validation_loss,
        "training_loss": record.loss,
        "n_steps": record.n_steps,
        "training_seconds": record.seconds,
        "loss_curve": tuple(record.loss_curve.tolist()),
        "test_loss": np.nan,
        "final_test_loss": np.nan,
        "score": np.nan,
    }
    if task.X_test is None:
        return measured
    if network is None or params is None or record.diverged:
        return measured | {"test_loss": np.inf, "final_test_loss": np.inf}
    outputs = network.network_.outputs(params, task.X_test)
    return measured | {
        "test_loss": _mean_loss(network, params, task.X_test, task.y_test),
        "final_test_loss": _mean_loss(network, network.params_, task.X_test, task.y_test),
        "score": network.targets_.score_rows(task.X_test, task.y_test, outputs),
    }


def _check_labels(name: str, labels: Sequence[Any] | None, default: tuple) -> tuple:
    """Return a label per task."""
    known = default if labels is None else tuple(labels)
    if len(known) != len(default):
        raise ValueError(
            f"{name} must have one value per task, of which there are {len(default)}, got "
            f"{len(known)}."
        )
    return known


def _check_settings(settings: tuple, groups: tuple) -> None:
    group_of: dict[Any, Any] = {}
    for setting, group in zip(settings, groups, strict=True):
        if group_of.setdefault(setting, group) != group:
            raise ValueError(f"setting {setting!r} is in two groups.")


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
