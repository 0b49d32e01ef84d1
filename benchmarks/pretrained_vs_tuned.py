"""Compare learned rules, untuned, with update rules that are tuned for every task, on real data.

The tasks are those of ``real_tasks.py``. Every rule trains every task from the same start with the
same batches, without early stopping, and validates after the same 51 epochs at most. The validation
rows choose the epoch, and the candidate of a rule that is tuned; the test rows are reported. For
training losses, tables where the lowest final training loss chooses the candidate stand beside
those. A ratio of a setting is the geometric mean over its splits; the intervals come from a
bootstrap over data sets. Accuracy is of classifications alone and R² of regressions alone.

Choose by ``--tasks choosing``. Report on ``--tasks reporting`` and ``--tasks large_clean`` once, at
the end. ``--cache`` keeps the trainings of the baselines, so that the next rule is judged in a
minute. They are known by the data, the networks and the parameters of the rules: delete the folder
after a change of the code of an update rule, and leave it out where seconds are reported, because
those of a cached baseline were measured in another run.

Run ``python benchmarks/pretrained_vs_tuned.py --tasks choosing --rules FILE --baselines few``.
"""

import argparse
import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from baselines import FEW, REFERENCE, TUNED, UNTUNED
from real_tasks import TaskSet, load_tasks

from sklearn_metabp import load_rule
from sklearn_metabp.meta_training import RuleComparison, compare_rules
from sklearn_metabp.meta_training.rule_comparison import ComparedTraining, RuleSummary

N_VALIDATIONS = 51
#: Settings with fewer training rows than that may have any worst ratio.
MANY_ROWS = 300
TITLES = {
    "test_loss": "test loss at the epoch that validation chose",
    "validation_loss": "lowest validation loss",
    "final_test_loss": "test loss after the last epoch",
    "training_loss": "final training loss",
    "steps_to_reference": "steps to the final training loss of the other rule",
    "seconds_to_reference": "seconds to it, without those of tuning",
    "seconds": "seconds in total, those of tuning included",
}
#: The best of the tuned baselines for every task, by what they are tuned by.
BEST = "best of all tuned"
#: What chooses among the candidates of a rule that is tuned, and the measures that are reported.
TUNED_BY = {
    "validation_loss": tuple(TITLES),
    "training_loss": ("training_loss", "steps_to_reference", "seconds_to_reference"),
}
#: Comparisons of the same trainings, by what the rules are tuned by.
Comparisons: TypeAlias = dict[str, RuleComparison]


# Trainings ----------------------------------------------------------------------------------------


def load_learned(name: str) -> Any:
    """Load a learned rule by the name of its file, or of a rule that ships."""
    if Path(name).exists():
        return load_rule(name)
    from sklearn_metabp.pretrained import load_pretrained

    return load_pretrained(name)


def train(name: str, candidates: Sequence[Any], task_set: TaskSet, n_jobs: int) -> Comparisons:
    """Train all tasks by all candidates of a rule, and choose one for every task in two ways."""
    rules = {str(number): rule for number, rule in enumerate(candidates)}
    every = compare_rules(
        rules,
        task_set.tasks,
        settings=task_set.settings,
        groups=task_set.groups,
        n_validations=N_VALIDATIONS,
        random_state=0,
        n_jobs=n_jobs,
    )
    return {
        by: every.with_best(name, rules, by=by).select(rules=[name], reference=name)
        for by in TUNED_BY
    }


def fingerprint_of(task_set: TaskSet) -> str:
    """Return a hash of the networks, the data and the settings."""
    found = hashlib.sha256()
    for task, setting in zip(task_set.tasks, task_set.settings, strict=True):
        found.update(f"{setting} {task!r}".encode())
        for name in ("X", "y", "X_val", "y_val", "X_test", "y_test"):
            found.update(np.ascontiguousarray(getattr(task, name)).tobytes())
    return found.hexdigest()


def train_or_read(
    name: str, task_set: TaskSet, fingerprint: str, folder: Path | None, n_jobs: int
) -> Comparisons:
    """Return the trainings of a baseline, from a file if they are known."""
    candidates = TUNED[name] if name in TUNED else [UNTUNED[name]]
    if folder is None:
        return train(name, candidates, task_set, n_jobs)
    # The representation of a function has its address.
    known_by = re.sub(r" at 0x\w+", "", repr(candidates))
    key = hashlib.sha256(f"{fingerprint} {N_VALIDATIONS} {known_by}".encode()).hexdigest()[:16]
    path = folder / f"{re.sub(r'[^a-zA-Z0-9]+', '_', name)}-{key}.json"
    if not path.exists():
        trained = train(name, candidates, task_set, n_jobs)
        records = {by: [dataclasses.asdict(one) for one in trained[by].trainings] for by in trained}
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{time.time_ns()}")
        unfinished.write_text(json.dumps(records), encoding="utf-8")
        unfinished.replace(path)
    labels = tuple(task_set.settings), tuple(task_set.groups)
    return {
        by: RuleComparison([_training_of(record) for record in records], (name,), name, *labels)
        for by, records in json.loads(path.read_text(encoding="utf-8")).items()
    }


def _training_of(record: dict[str, Any]) -> ComparedTraining:
    return ComparedTraining(**{**record, "loss_curve": tuple(record["loss_curve"])})


def compare(
    rules: Mapping[str, Any],
    baselines: Sequence[str],
    task_set: TaskSet,
    folder: Path | None,
    n_jobs: int,
) -> Comparisons:
    """Train the rules, and train or read the baselines; the reference is tuned Adam."""
    fingerprint = fingerprint_of(task_set)
    parts = []
    for name in (*baselines, *rules):
        began = time.perf_counter()
        if name in rules:
            parts.append(train(name, [rules[name]], task_set, n_jobs))
        else:
            parts.append(train_or_read(name, task_set, fingerprint, folder, n_jobs))
        print(f"# {name}: {time.perf_counter() - began:.0f} s", flush=True)
    return {by: RuleComparison.concatenate(part[by] for part in parts) for by in TUNED_BY}


# Tables -------------------------------------------------------------------------------------------


class Report:
    """The tables of a comparison on a set of tasks."""

    def __init__(self, comparison: RuleComparison, task_set: TaskSet, tuned_by: str):
        self.comparison, self.tuned_by = comparison, tuned_by
        self.kinds: dict[str, list[str]] = {
            "all": list(task_set.are_classifications),
            "classification": [],
            "regression": [],
        }
        for name, is_classification in task_set.are_classifications.items():
            self.kinds["classification" if is_classification else "regression"].append(name)
        self.large = {
            setting
            for task, setting in zip(task_set.tasks, task_set.settings, strict=True)
            if task.X.shape[0] >= MANY_ROWS
        }

    def overview(self, measure: str) -> None:
        """Print all rules against tuned Adam."""
        title = f"{TITLES[measure]}, over that of {REFERENCE}"
        others = [name for name in self.comparison.rules if name != REFERENCE]
        for kind in filter(self.kinds.get, self.kinds):
            self._print_head(f"{title}, {kind} settings", kind)
            for name in others:
                self._print_line(name, self.comparison.select(rules=[name]), name, kind, measure)

    def against_all(self, rule: str, measure: str) -> None:
        """Print one rule against all others, and against the best of those that are tuned."""
        others = [name for name in self.comparison.rules if name != rule]
        tuned = [name for name in others if name in TUNED]
        comparison = self.comparison.with_best(BEST, tuned, by=self.tuned_by)
        for kind in filter(self.kinds.get, self.kinds):
            self._print_head(f"{rule}: {TITLES[measure]}, over that of …, {kind} settings", kind)
            for other in (*others, BEST):
                both = comparison.select(rules=[rule], reference=other)
                self._print_line(other, both, rule, kind, measure)

    def _print_head(self, title: str, kind: str) -> None:
        score = "R², pt" if kind == "regression" else "acc., pt"
        print(f"\n{title} (tuned by {self.tuned_by.replace('_', ' ')})")
        print(
            f"    {'':<26} {'IQM':>6} {'95 %':>15} {'geo':>7} {'median':>7} {'won':>5} "
            f"{'worst':>8} {f'>={MANY_ROWS} rows':>10} {'diverged':>8} {score:>9}"
        )

    def _print_line(
        self, label: str, both: RuleComparison, rule: str, kind: str, measure: str
    ) -> None:
        """Print the summary of a rule, its worst ratio with many rows, and its gain in score."""
        settings = self.kinds[kind]
        one = _summary(both, rule, settings, measure)
        large = [name for name in settings if name in self.large]
        worst = both.select(settings=large).ratios(measure)[rule].max() if large else np.nan
        gain = one.score_gain
        if kind == "all" and self.kinds["regression"]:  # accuracy and R² do not add up
            scored = self.kinds["classification"]
            gain = _summary(both, rule, scored, measure, 1).score_gain if scored else np.nan
        print(
            f"    {label:<26} {one.iqm:6.3f} [{one.iqm_low:6.3f},{one.iqm_high:6.3f}] "
            f"{one.geometric_mean:7.3f} {one.median:7.3f} {one.won:5.2f} {one.worst:8.2f} "
            f"{worst:10.2f} {one.diverged:8.3f} {gain:+9.2f}"
        )

    def losses(self, rule: str, n: int = 10) -> None:
        """Print the settings in which a rule loses most against tuned Adam."""
        both = self.comparison.select(rules=[rule])
        names = list(dict.fromkeys(both.settings))
        ratios = both.ratios("test_loss")[rule]
        print(f"\n{rule}: the {n} settings with the highest test loss over that of {REFERENCE}")
        for number in np.argsort(-ratios)[:n]:
            rows = ">=" if names[number] in self.large else "< "
            print(f"    {names[number]:<32} {ratios[number]:8.3f}   {rows} {MANY_ROWS} rows")

    def all_settings(self, rule: str) -> None:
        """Print every setting, for task sets that are small."""
        both = self.comparison.select(rules=[rule])
        names = list(dict.fromkeys(both.settings))
        print(f"\n{rule}, over {REFERENCE}, by setting")
        columns = ("test_loss", "validation_loss", "final_test_loss", "training_loss")
        print(f"    {'':<32} " + " ".join(f"{name:>16}" for name in columns))
        ratios = [both.ratios(measure)[rule] for measure in columns]
        for name, values in zip(names, np.transpose(ratios), strict=True):
            print(f"    {name:<32} " + " ".join(f"{value:16.3f}" for value in values))


def _summary(
    comparison: RuleComparison,
    rule: str,
    settings: Sequence[str],
    measure: str,
    n_resamples: int = 2000,
) -> RuleSummary:
    part = comparison.select(settings=settings)
    return next(one for one in part.summary(measure, n_resamples=n_resamples) if one.rule == rule)


def main(arguments: argparse.Namespace) -> None:
    names = list(FEW) if arguments.baselines == "few" else [*TUNED, *UNTUNED]
    task_set = load_tasks(arguments.tasks, arguments.splits)
    n_settings = len(task_set.are_classifications)
    print(
        f"{arguments.tasks}: {n_settings} settings of {len(set(task_set.groups))} data sets, "
        f"splits of each: {arguments.splits}"
    )
    rules = {Path(name).name: load_learned(name) for name in arguments.rules}
    comparisons = compare(rules, names, task_set, arguments.cache, arguments.jobs)
    reports = {by: Report(comparisons[by], task_set, by) for by in TUNED_BY}
    overview = {
        "validation_loss": ("test_loss", "validation_loss", "final_test_loss", "training_loss"),
        "training_loss": ("training_loss",),
    }
    for by, measures in overview.items():
        for measure in measures:
            reports[by].overview(measure)
    for rule in rules:
        for by, measures in TUNED_BY.items():
            for measure in measures:
                reports[by].against_all(rule, measure)
        reports["validation_loss"].losses(rule)
        if n_settings <= 10:
            reports["validation_loss"].all_settings(rule)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tasks", default="choosing", choices=["choosing", "reporting", "large_clean"]
    )
    parser.add_argument("--rules", nargs="+", default=[], help="files or names of learned rules")
    parser.add_argument("--baselines", default="few", choices=["few", "all"])
    parser.add_argument("--cache", type=Path, help="folder for the trainings of the baselines")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    main(parser.parse_args())
