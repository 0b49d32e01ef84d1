"""Compare update rules that have one setting for all data sets.

The table answers the question of somebody who does not want to tune: which rule, and with which
learning rate? The tasks are those of ``real_tasks.py``. On the data sets for choosing, every rule
gets the learning rate with the lowest geometric mean of the test loss. With this rate it trains on
the data sets for reporting. All rules train a task from the same start with the same batches, and
validate after the same 51 epochs at most. The validation rows choose the epoch, and the test rows
are reported: their loss over that of Adam, as the interquartile mean over all settings. The columns
have this mean and its interval, the mean over settings of less than 300 training rows and of more,
that over classes and over numbers as targets, and the processor time over that of Adam.

``python benchmarks/which_update_rule.py`` takes some minutes of one core. It needs the
packages of ``real_data_sets.py``. ``--figure FILE`` also draws the table.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from real_tasks import TaskSet, load_tasks
from threadpoolctl import threadpool_limits

from sklearn_metabp import (
    LBFGS,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Averaged,
    Lion,
    Muon,
    NAdam,
    Prodigy,
    RMSprop,
    ScheduleFree,
    load_pretrained,
)
from sklearn_metabp.meta_training import RuleComparison, compare_rules
from sklearn_metabp.meta_training.rule_comparison import RuleSummary
from sklearn_metabp.update_rules import TrainingRule

REFERENCE = "Adam"
N_VALIDATIONS = 51
FEW_ROWS = 300

#: The candidates of every rule; those with one have nothing to choose.
CANDIDATES = {
    REFERENCE: [Adam(rate) for rate in (0.001, 0.003, 0.01, 0.03)],
    "Adam, default": [Adam()],
    "SGD": [SGD(rate) for rate in (0.03, 0.1, 0.3)],
    "SGD, momentum 0.9": [SGD(rate, momentum=0.9, nesterov=True) for rate in (0.01, 0.03, 0.1)],
    "AdaGrad": [AdaGrad(rate) for rate in (0.01, 0.03, 0.1)],
    "RMSprop": [RMSprop(rate) for rate in (0.001, 0.003, 0.01)],
    "NAdam": [NAdam(rate) for rate in (0.003, 0.01, 0.03)],
    "Lion": [Lion(rate) for rate in (0.0001, 0.0003, 0.001)],
    "AdamW, decay 0.3": [AdamW(rate, weight_decay=0.3) for rate in (0.003, 0.01, 0.03)],
    "Muon": [Muon(rate, adamw_learning_rate=rate / 10) for rate in (0.003, 0.01, 0.03)],
    "Adam, cosine": [Adam(rate, schedule="cosine") for rate in (0.003, 0.01, 0.03)],
    "averaged AdamW": [Averaged(AdamW(rate, weight_decay=0.3)) for rate in (0.003, 0.008, 0.02)],
    "ScheduleFree": [ScheduleFree()],
    "Prodigy": [Prodigy()],
    "LBFGS": [LBFGS()],
    "learned": [load_pretrained("generalise")],
}


def train(rules: dict[str, object], task_set: TaskSet) -> RuleComparison:
    """Train all tasks by all rules."""
    return compare_rules(
        rules,
        task_set.tasks,
        settings=task_set.settings,
        groups=task_set.groups,
        n_validations=N_VALIDATIONS,
        random_state=0,
    )


def choose(task_set: TaskSet) -> dict[str, int]:
    """Return the number of the best candidate of every rule."""
    chosen = {}
    for name, candidates in CANDIDATES.items():
        if len(candidates) == 1:
            chosen[name] = 0
            continue
        comparison = train({str(number): one for number, one in enumerate(candidates)}, task_set)
        means = [one.geometric_mean for one in comparison.summary(n_resamples=1)]
        chosen[name] = int(np.argmin(means))
        print(f"# {name}: {means} -> {candidates[chosen[name]]}", flush=True)
    return chosen


def by_rule(
    comparison: RuleComparison, measure: str, settings: Sequence[str] | None = None
) -> dict[str, RuleSummary]:
    """Return the summary of a measure by the name of the rule."""
    part = comparison.select(settings=settings)
    return {one.rule: one for one in part.summary(measure)}


def print_table(comparison: RuleComparison, task_set: TaskSet, rates: dict[str, str]) -> None:
    """Print a line for every rule, the best first."""
    few = {
        setting
        for task, setting in zip(task_set.tasks, task_set.settings, strict=True)
        if task.X.shape[0] < FEW_ROWS
    }
    kinds = task_set.are_classifications
    parts = {
        "all": by_rule(comparison, "test_loss"),
        "few": by_rule(comparison, "test_loss", few),
        "more": by_rule(comparison, "test_loss", set(kinds) - few),
        "classes": by_rule(comparison, "test_loss", {name for name in kinds if kinds[name]}),
        "numbers": by_rule(comparison, "test_loss", {name for name in kinds if not kinds[name]}),
        "time": by_rule(comparison, "seconds"),
    }
    titles = "".join(f"{title:>8}" for title in list(parts)[1:])
    print(f"{'rule':<18}{'rate':>6} {'all':>6} {'95 %':>14}{titles}")
    for name in sorted(parts["all"], key=lambda name: parts["all"][name].iqm):
        one = parts["all"][name]
        others = "".join(f"{part[name].iqm:8.2f}" for part in list(parts.values())[1:])
        print(
            f"{name:<18}{rates[name]:>6} {one.iqm:6.3f} [{one.iqm_low:.3f}, {one.iqm_high:.3f}]"
            f"{others}"
        )
    share = max(one.diverged for one in parts["all"].values())
    print(f"diverged trainings of a rule: {share:.1%} at most")


def draw(comparison: RuleComparison, path: Path) -> None:
    """Draw the ratios of the test loss with their intervals, the best rule first."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    ones = sorted(comparison.summary("test_loss"), key=lambda one: one.iqm)
    places = np.arange(len(ones))
    means = np.array([one.iqm for one in ones])
    ends = np.array([[one.iqm_low, one.iqm_high] for one in ones]).T
    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    ax.errorbar(means, places, xerr=np.maximum(0, [means - ends[0], ends[1] - means]), fmt="o",
                capsize=3, color="#0072B2")  # fmt: skip
    ax.axvline(1.0, color="black", linewidth=0.8, linestyle="--")
    ax.set_yticks(places, [one.rule for one in ones])
    ax.invert_yaxis()
    ax.set_xlabel("test loss over that of Adam, lower is better")
    ax.set_title("The learned rule has the lowest test loss")
    figure.savefig(path, dpi=144)


def main(n_splits: int, figure: Path | None) -> None:
    began = time.process_time()
    choosing, reporting = (load_tasks(name, n_splits) for name in ("choosing", "reporting"))
    chosen = choose(choosing)
    rules = {name: candidates[chosen[name]] for name, candidates in CANDIDATES.items()}
    comparison = train(rules, reporting).select(reference=REFERENCE)
    print(
        f"{len(reporting.are_classifications)} settings of {len(set(reporting.groups))} data sets;"
        f" rates chosen on {len(set(choosing.groups))} others"
    )
    print_table(comparison, reporting, {name: rate_of(rule) for name, rule in rules.items()})
    if figure is not None:
        draw(comparison, figure)
    print(f"# {time.process_time() - began:.0f} s of processor time")


def rate_of(rule: TrainingRule) -> str:
    """Return the learning rate of a rule, for the table."""
    rate = getattr(getattr(rule, "rule", rule), "learning_rate", None)
    return "-" if rate is None else f"{rate:g}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=1, help="splits of each data set (default 1)")
    parser.add_argument("--figure", type=Path, help="file for a drawing of the table")
    arguments = parser.parse_args()
    with threadpool_limits(1, "blas"):
        main(arguments.splits, arguments.figure)
