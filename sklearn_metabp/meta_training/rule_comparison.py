"""The result of a comparison of rules: all trainings, and their summary over settings."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from sklearn_metabp.callbacks.base import check_count
from sklearn_metabp.description import Described, Table, count, shortened
from sklearn_metabp.optional_libraries import require_library

#: Measures of a training, where smaller is better; ``score`` is not among them.
MEASURES = {
    "validation_loss": "lowest loss on the validation rows",
    "test_loss": "loss on the test rows after the epoch that the validation loss chose",
    "final_test_loss": "loss on the test rows after the last epoch",
    "training_loss": "training loss of the last epoch",
    "seconds": "wall time of all candidates together",
    "steps_to_reference": "steps to the final training loss of the reference",
    "seconds_to_reference": "wall time to it, of the chosen candidate",
}
# Added to losses before they are divided: a loss of 0 has a ratio.
SMALL = 1e-8
# Ratios are cut off at this value, which is also that of a training that diverged.
WORST_RATIO = 1e3


@dataclass(frozen=True)
class ComparedTraining:
    """The training that a rule was judged by, on one task from one start.

    Attributes
    ----------
    rule : str
        Name of the rule.
    task, start : int
        Numbers of the task and of its start, from 0.
    candidate : int
        Number of the candidate that was chosen, from 0; 0 for a rule without candidates.
    diverged : bool
        True if that training diverged. Its losses are infinite then and its score is NaN.
    validation_loss, test_loss, final_test_loss, training_loss : float
        See ``MEASURES``. Without test rows the second and third are NaN.
    score : float
        Accuracy or R² on the test rows after the epoch that the validation loss chose.
    n_steps : int
        Number of steps.
    seconds : float
        Wall time of the training and of those of all other candidates.
    training_seconds : float
        Wall time of this training alone.
    loss_curve : tuple of float
        Training loss of every epoch.
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
    seconds: float
    training_seconds: float
    loss_curve: tuple[float, ...] = field(repr=False)

    def steps_to(self, loss: float) -> float:
        """Return the number of steps after which the training loss was first as low as a value.

        It is counted in whole epochs, and infinite if the loss never was as low.
        """
        if self.diverged:
            return np.inf
        for epoch, reached in enumerate(self.loss_curve, start=1):
            if reached <= loss:
                return epoch * self.n_steps / len(self.loss_curve)
        return np.inf


@dataclass(frozen=True)
class RuleSummary:
    """The ratios of one rule to the reference over all settings.

    A ratio of a setting is the geometric mean over its tasks and their starts.

    Attributes
    ----------
    rule : str
        Name of the rule.
    iqm, iqm_low, iqm_high : float
        Interquartile mean of the ratios, which is the mean of their middle half, and the ends of
        its 95 % bootstrap interval over groups of settings.
    geometric_mean, median, worst : float
        Of the ratios.
    won : float
        Share of settings with a ratio below 1.
    diverged : float
        Share of trainings that diverged.
    score_gain : float
        Mean difference of the scores to the reference, in points of a hundred.
    n_settings : int
        Number of settings.
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
    n_settings: int


@dataclass(frozen=True, eq=False, repr=False)
class RuleComparison(Described):
    """The result of :func:`compare_rules`.

    A notebook shows a row for every rule.

    Attributes
    ----------
    trainings : list of ComparedTraining
        One per rule, task and start.
    rules : tuple of str
        Names of the rules, in the order in which they were given.
    reference : str
        Name of the rule that the others are compared with.
    settings : tuple
        Setting of every task. Ratios of the tasks of a setting are averaged.
    groups : tuple
        Group of every task; the bootstrap draws groups.
    """

    trainings: list[ComparedTraining]
    rules: tuple[str, ...]
    reference: str
    settings: tuple
    groups: tuple

    def _title(self) -> str:
        rules, tasks = count(len(self.rules), "rule"), count(len(self.settings), "task")
        starts = count(self._n_starts, "start")
        return f"RuleComparison of {rules} on {tasks}, {starts} each: reference {self.reference}"

    def _details(self) -> Iterator[Table]:
        rows = []
        for name, ratios in self.ratios("validation_loss").items():
            diverged = sum(one.diverged for one in self.trainings if one.rule == name)
            won = f"{np.sum(ratios < 1)} of {len(ratios)}"
            rows.append((name, f"{np.median(ratios):.3f}", won, str(diverged)))
        head = ("rule", "median ratio of validation losses", "settings with less loss", "diverged")
        yield Table(head, shortened(rows, "rule"), (False, True, True, True))

    @classmethod
    def concatenate(cls, comparisons: Iterable["RuleComparison"]) -> Self:
        """Join comparisons of different rules on the same tasks.

        The tasks, their starts and the validation must have been the same.

        Parameters
        ----------
        comparisons : iterable of RuleComparison
            The reference is that of the first comparison.

        Returns
        -------
        comparison : RuleComparison

        Raises
        ------
        ValueError
            If there is no comparison, if settings, groups or numbers of starts differ, or if a name
            is used twice.
        """
        given = list(comparisons)
        if not given:
            raise ValueError("comparisons must have at least one RuleComparison.")
        first = given[0]
        for other in given[1:]:
            if (other.settings, other.groups) != (first.settings, first.groups) or (
                other._n_starts != first._n_starts
            ):
                raise ValueError("the comparisons are of different tasks or starts.")
        rules = tuple(rule for one in given for rule in one.rules)
        twice = sorted({rule for rule in rules if rules.count(rule) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} is in more than one of the comparisons.")
        trainings = [training for one in given for training in one.trainings]
        return cls(trainings, rules, first.reference, first.settings, first.groups)

    @property
    def _n_starts(self) -> int:
        return len(self.trainings) // (len(self.rules) * len(self.settings))

    def select(
        self,
        *,
        rules: Collection[str] | None = None,
        settings: Collection[Any] | None = None,
        reference: str | None = None,
    ) -> "RuleComparison":
        """Return the comparison of some of the rules, on some of the settings.

        Parameters
        ----------
        rules : collection of str, default=None
            Names of the rules, None for all. The reference always stays.
        settings : collection, default=None
            None for all.
        reference : str, default=None
            Another reference.

        Returns
        -------
        comparison : RuleComparison

        Raises
        ------
        ValueError
            If there is no such rule or setting, or none is left.
        """
        reference = self.reference if reference is None else reference
        wanted = set(self.rules if rules is None else rules) | {reference}
        kept = set(self.settings if settings is None else settings)
        for name, known, given in (
            ("rules", self.rules, wanted),
            ("settings", self.settings, kept),
        ):
            if unknown := given - set(known):
                raise ValueError(f"there is no {min(unknown)!r} among the {name}.")
        tasks = [number for number, setting in enumerate(self.settings) if setting in kept]
        if not tasks:
            raise ValueError("settings must have at least one.")
        renumbered = {task: number for number, task in enumerate(tasks)}
        trainings = [
            replace(one, task=renumbered[one.task])
            for one in self.trainings
            if one.rule in wanted and one.task in renumbered
        ]
        return RuleComparison(
            trainings,
            tuple(rule for rule in self.rules if rule in wanted),
            reference,
            tuple(self.settings[task] for task in tasks),
            tuple(self.groups[task] for task in tasks),
        )

    def with_best(
        self, name: str, rules: Collection[str], *, by: str = "validation_loss"
    ) -> "RuleComparison":
        """Add the best of several rules for every task and start, as if it were one rule.

        Parameters
        ----------
        name : str
            Name of the new rule.
        rules : collection of str
            Names of the rules to choose among. They are the candidates of the new rule, and its
            seconds are the sum of theirs.
        by : str, default="validation_loss"
            The measure that chooses. With a measure that is reported, such as ``"training_loss"``,
            the new rule is a bound that no rule reaches in practice.

        Returns
        -------
        comparison : RuleComparison

        Raises
        ------
        ValueError
            If the name is in use, there is no such measure or rule, or no rule was given.
        """
        if name in self.rules:
            raise ValueError(f"{name!r} is a rule of the comparison already.")
        if not rules:
            raise ValueError("rules must have at least one name.")
        if by not in MEASURES or by.endswith("_to_reference"):
            raise ValueError(f"by must be a measure of a single training, got {by!r}.")
        chosen: dict[tuple[int, int], ComparedTraining] = {}
        seconds: dict[tuple[int, int], float] = {}
        for one in self.select(rules=rules, reference=next(iter(rules))).trainings:
            place = one.task, one.start
            seconds[place] = seconds.get(place, 0.0) + one.seconds
            if place not in chosen or getattr(one, by) < getattr(chosen[place], by):
                chosen[place] = one
        numbers = {rule: number for number, rule in enumerate(rules)}
        best = [
            replace(one, rule=name, candidate=numbers[one.rule], seconds=seconds[at])
            for at, one in chosen.items()
        ]
        return replace(self, trainings=self.trainings + best, rules=(*self.rules, name))

    def ratios(self, measure: str = "test_loss") -> dict[str, np.ndarray]:
        """Return the ratios to the reference, by rule.

        Parameters
        ----------
        measure : str, default="test_loss"
            One of ``MEASURES``.

        Returns
        -------
        ratios : dict of str to ndarray of shape (n_settings,)
            Geometric means over the tasks and starts of every setting, in the order of the
            settings. A training that diverged counts as a ratio of 1000; if the reference diverged
            too, it counts as 1.

        Raises
        ------
        ValueError
            If there is no such measure, or the tasks have no test rows and the measure needs them.
        """
        if measure not in MEASURES:
            raise ValueError(f"measure must be one of {list(MEASURES)}, got {measure!r}.")
        values = self._table(measure)
        if np.isnan(values[self.reference]).any():
            raise ValueError(f"measure={measure!r} needs tasks with X_test and y_test.")
        base = values[self.reference] + SMALL
        ratios = {}
        for name, of_rule in values.items():
            both = np.isinf(of_rule) & np.isinf(base)
            ratio = np.divide(of_rule + SMALL, base, out=np.ones_like(base), where=~both)
            logs = np.log(np.clip(ratio, 1 / WORST_RATIO, WORST_RATIO))
            ratios[name] = np.exp(self._means_of_settings(logs))
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
            ``pandas.DataFrame(summary)`` is a table of it.

        Raises
        ------
        ValueError
            See :meth:`ratios`.
        """
        n_resamples = check_count("n_resamples", n_resamples)
        rng = check_random_state(random_state)
        ratios = self.ratios(measure)
        members = self._members_of_groups()
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
            resampled = [_interquartile_mean(ratio[settings]) for settings in drawn]
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
                    n_settings=len(ratio),
                )
            )
        return records

    def to_frame(self) -> Any:
        """Return the trainings as a pandas DataFrame, one row per rule, task and start.

        Its columns are the attributes of a training without the loss curve, the setting and the
        group of the task, and the steps and seconds to the final training loss of the reference.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        require_library("pandas", "RuleComparison.to_frame")
        import pandas as pd

        levels = self._levels()
        rows = []
        for one in self.trainings:
            row = {name: value for name, value in vars(one).items() if name != "loss_curve"}
            row |= {"setting": self.settings[one.task], "group": self.groups[one.task]}
            for name in ("steps_to_reference", "seconds_to_reference"):
                row[name] = _value(one, name, levels)
            rows.append(row)
        return pd.DataFrame(rows)

    def _levels(self) -> dict[tuple[int, int], float]:
        """Return the final training losses of the reference by task and start."""
        return {
            (one.task, one.start): one.training_loss
            for one in self.trainings
            if one.rule == self.reference
        }

    def _table(self, name: str) -> dict[str, np.ndarray]:
        """Return a value of all trainings by rule, (n_tasks, n_starts)."""
        levels = self._levels()
        values: dict[str, list[float]] = {rule: [] for rule in self.rules}
        for one in self.trainings:
            values[one.rule].append(_value(one, name, levels))
        n_tasks = len(self.settings)
        return {rule: np.array(of, dtype=float).reshape(n_tasks, -1) for rule, of in values.items()}

    def _means_of_settings(self, values: np.ndarray) -> np.ndarray:
        """Return the means of values of shape (n_tasks, n_starts) over every setting."""
        numbers = {setting: number for number, setting in enumerate(dict.fromkeys(self.settings))}
        setting_of = [numbers[setting] for setting in self.settings]
        sums = np.bincount(setting_of, values.mean(axis=1))
        return sums / np.bincount(setting_of)

    def _members_of_groups(self) -> list[np.ndarray]:
        """Return the positions of the settings of every group."""
        group_of = dict(zip(self.settings, self.groups, strict=True))
        members: dict[Any, list[int]] = {}
        for number, group in enumerate(group_of.values()):
            members.setdefault(group, []).append(number)
        return [np.array(of_group) for of_group in members.values()]


def _value(training: ComparedTraining, name: str, levels: dict[tuple[int, int], float]) -> float:
    """Return a value of a training by name; ``levels`` are the losses that are to be reached."""
    if not name.endswith("_to_reference"):
        return getattr(training, name)
    steps = training.steps_to(levels[training.task, training.start])
    if name == "steps_to_reference":
        return steps
    return steps / max(training.n_steps, 1) * training.training_seconds


def _interquartile_mean(values: np.ndarray) -> np.floating:
    """Return the mean without the lowest and the highest quarter of the values."""
    n_cut = len(values) // 4  # SciPy's trim_mean is the same, in a hundred times the time
    return np.sort(values)[n_cut : len(values) - n_cut].mean()
