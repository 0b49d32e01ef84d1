"""Print what runs on tables gave: ratios of sides, where a side wins and loses, and calibration.

A number of a set is the mean over its splits, and is divided by that of another side on the same
set and splits. Tables show the geometric mean of these ratios over the sets and their median, with
intervals of 95 % by a bootstrap over sets. An error is counted as half a row at least, since ratios
need it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from table_runs import N_BINS, Outcome, Result
from table_sets import Facts

N_POINTS = 10  # of a reliability curve
N_EXTREMES = 5
# Colours that colour-blind people can tell apart (M. Okabe and K. Ito, "Color universal design").
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"


class Measure(NamedTuple):
    """A number that sides are compared by.

    Attributes
    ----------
    title : str
        Name in tables.
    field : str
        Attribute of a :class:`Result`.
    kinds : tuple of bool
        Whether it is of classification (True), of regression (False), or of both.
    least_rows : float
        Number of test rows that a smaller value is raised to, over all test rows of a set.
    """

    title: str
    field: str
    kinds: tuple[bool, ...]
    least_rows: float = 0.0


ERROR = Measure("share of wrong classes", "loss", (True,), 0.5)
LOG_LOSS = Measure("log loss", "log_loss", (True,))
RMSE = Measure("RMSE", "loss", (False,))
SECONDS = Measure("processor seconds of a fit", "seconds", (True, False))
MEASURES = (
    *(ERROR, LOG_LOSS, RMSE, SECONDS),
    Measure("Brier score", "brier", (True,)),
    Measure("calibration error", "calibration_error", (True,), 0.5),
    Measure("processor seconds of predicting the test rows", "predict_seconds", (True, False)),
    Measure("milliseconds of predicting one row", "row_ms", (True, False)),
)


def means(results: dict[str, list[Result]], measure: Measure) -> np.ndarray:
    """Return the mean over the splits of each set; NaN where it was not measured."""
    values = []
    for of_set in results.values():
        numbers = [getattr(one, measure.field) for one in of_set]
        if None in numbers:
            values.append(np.nan)
            continue
        least = measure.least_rows / sum(one.n_test for one in of_set)
        values.append(max(float(np.mean(numbers)), least))
    return np.array(values)


def names_of(outcome: Outcome, kinds: Iterable[bool]) -> list[str]:
    """Return the names of the sets of classification (True), of regression (False), or of both."""
    return [name for name, facts in outcome.facts.items() if bool(facts.n_classes) in kinds]


def ratios_of(
    outcome: Outcome, side: str, over: str, measure: Measure, names: Sequence[str]
) -> np.ndarray | None:
    """Return the ratios of a side on sets that both sides are for; None if there are none.

    They are None as well if one of the two was not measured on all of these sets.
    """
    names = [
        name for name in names if name in outcome.results[side] and name in outcome.results[over]
    ]
    mine, others = (
        means({name: outcome.results[each][name] for name in names}, measure)
        for each in (side, over)
    )
    ratios = mine / others
    return None if np.isnan(ratios).any() or not len(ratios) else ratios


@dataclass(frozen=True)
class Summary:
    """Ratios of a side to another one over the same sets.

    ``mean`` and ``median`` are a number and the ends of its interval; ``worst`` is the largest
    ratio.
    """

    mean: tuple[float, float, float]
    median: tuple[float, float, float]
    n_better: int
    n_worse: int
    worst: float


def summarise(ratios: np.ndarray, n_draws: int = 2000) -> Summary:
    """Return geometric mean and median of ratios with intervals of 95 % by a bootstrap.

    Sets are drawn with replacement. The ratios are of two sides on the same sets, so that the
    bootstrap is a paired one.
    """
    logs = np.log(ratios)
    drawn = logs[np.random.default_rng(0).integers(len(logs), size=(n_draws, len(logs)))]
    of_all = []
    for statistic in (np.mean, np.median):
        ends = np.quantile(statistic(drawn, axis=1), [0.025, 0.975])
        of_all.append(tuple(float(each) for each in np.exp([statistic(logs), *ends])))
    rounded = np.round(ratios, 3)  # equal to three digits is neither better nor worse
    n_better, n_worse = int((rounded < 1).sum()), int((rounded > 1).sum())
    return Summary(*of_all, n_better, n_worse, float(ratios.max()))


def _number(value: float, n_digits: int = 3) -> str:
    """Return a ratio with fewer digits where it is large."""
    return f"{value:.{n_digits if value < 10 else 1 if value < 1000 else 0}f}"


def _interval(of: tuple[float, float, float], n_digits: int = 3) -> str:
    value, low, high = of
    return f"{_number(value)} [{_number(low, n_digits)}, {_number(high, n_digits)}]"


def _middle(ratios: np.ndarray, medians: bool) -> tuple[float, float, float]:
    """Return the geometric mean of ratios, or their median, with its interval."""
    summary = summarise(ratios)
    return summary.median if medians else summary.mean


def _cell(ratios: np.ndarray | None, medians: bool = False) -> str:
    """Return mean or median of ratios and its interval for a narrow column."""
    return "-" if ratios is None else _interval(_middle(ratios, medians), 2)


def print_overview(outcome: Outcome, over: str, medians: bool = False) -> None:
    """Print geometric means, or medians, of the main numbers over those of a side."""
    counts = ", ".join(
        f"{len(names_of(outcome, kinds))} {title}"
        for title, kinds in (("sets of classes", (True,)), ("of numbers", (False,)))
    )
    print(f"\n{'Medians' if medians else 'Geometric means'} over {over}, {counts}")
    print(f"{'':<22} {'error':<18} {'log loss':<18} {'RMSE':<18} {'seconds':>7}")
    for side in outcome.results:
        if side == over:
            continue
        *cells, seconds = (
            ratios_of(outcome, side, over, measure, names_of(outcome, measure.kinds))
            for measure in (ERROR, LOG_LOSS, RMSE, SECONDS)
        )
        row = " ".join(f"{_cell(each, medians):<18}" for each in cells)
        of_seconds = "-" if seconds is None else _number(_middle(seconds, medians)[0], 2)
        print(f"{side:<22} {row} {of_seconds:>7}")


def report(outcome: Outcome, over: str) -> None:
    """Print a table of ratios over a side for every number."""
    for measure in MEASURES:
        names = names_of(outcome, measure.kinds)
        rows = {
            side: ratios_of(outcome, side, over, measure, names)
            for side, of_side in outcome.results.items()
            if side != over and any(name in of_side for name in names)
        }
        if all(ratios is None for ratios in rows.values()):
            continue
        print(f"\n{measure.title} over that of {over}, {len(names)} sets")
        print(
            f"{'':<22} {'geometric mean':<20} {'median':<20} {'better':>6} {'worse':>6} "
            f"{'worst':>7}"
        )
        for side, ratios in rows.items():
            if ratios is None:
                print(f"{side:<22} not measured")
                continue
            row = summarise(ratios)
            print(
                f"{side:<22} {_interval(row.mean):<20} {_interval(row.median):<20} "
                f"{row.n_better:>6} {row.n_worse:>6} {_number(row.worst, 2):>7}"
            )


class Property(NamedTuple):
    """A property of a set that groups are made by.

    Attributes
    ----------
    title : str
        Name in tables.
    value : callable
        Gives the number of a set, from its facts and the level of the better of two sides.
    bounds : tuple of float
        Bounds of the groups; a group begins with its bound.
    labels : tuple of str
        Names of the groups, one more than bounds.
    """

    title: str
    value: Callable[[Facts, float], float]
    bounds: tuple[float, ...]
    labels: tuple[str, ...]


PROPERTIES = (
    Property(
        "rows",
        lambda facts, _: facts.n_rows,
        (1000, 5000),
        ("below 1000", "1000 to 4999", "5000 or more"),
    ),
    Property(
        "columns",
        lambda facts, _: facts.n_columns,
        (10, 30),
        ("below 10", "10 to 29", "30 or more"),
    ),
    Property(
        "categories",
        lambda facts, _: facts.n_categories / facts.n_columns,
        (1e-9, 0.5),
        ("none", "up to half", "half or more"),
    ),
    Property("missing cells", lambda facts, _: facts.missing, (1e-9,), ("none", "some")),
    Property(
        "classes", lambda facts, _: facts.n_classes, (2, 3), ("regression", "two", "three or more")
    ),
    Property(
        "level", lambda _, level: level, (0.25, 0.6), ("below 0.25", "0.25 to 0.6", "0.6 or more")
    ),
)


def levels(outcome: Outcome, sides: Iterable[str]) -> dict[str, float]:
    """Return the lowest loss of some sides over that of the best constant, by set.

    Near 1 the columns say nothing about the target: the set is noise to all of these sides.
    """
    lowest = {}
    for name, facts in outcome.facts.items():
        measure = ERROR if facts.n_classes else RMSE
        losses = [means({name: outcome.results[side][name]}, measure)[0] for side in sides]
        lowest[name] = min(losses) / facts.constant_loss
    return lowest


def print_where(outcome: Outcome, side: str, over: str) -> None:
    """Print ratios of a side over another one by properties of the sets, and the extreme sets."""
    level = levels(outcome, (side, over))
    print(f"\n{side} over {over}, by properties of the sets: geometric means")
    print(f"{'':<24} {'sets':>5} {'error':<18} {'log loss':<18} {'RMSE':<18}".rstrip())
    for group in PROPERTIES:
        places = {
            name: int(np.searchsorted(group.bounds, group.value(facts, level[name]), "right"))
            for name, facts in outcome.facts.items()
        }
        for place, label in enumerate(group.labels):
            cells, n_sets = [], sum(each == place for each in places.values())
            for measure in (ERROR, LOG_LOSS, RMSE):
                names = [each for each in names_of(outcome, measure.kinds) if places[each] == place]
                cells.append(_cell(ratios_of(outcome, side, over, measure, names)))
            if n_sets:
                row = f"{group.title + ' ' + label:<24} {n_sets:>5} "
                print((row + " ".join(f"{cell:<18}" for cell in cells)).rstrip())
    _print_extremes(outcome, side, over, level)


def _print_extremes(outcome: Outcome, side: str, over: str, level: dict[str, float]) -> None:
    ratios = {
        name: float(of_set[0])
        for name, facts in outcome.facts.items()
        if (of_set := ratios_of(outcome, side, over, ERROR if facts.n_classes else RMSE, [name]))
        is not None
    }
    ordered = sorted(ratios, key=ratios.__getitem__)
    extremes = {"best": ordered[:N_EXTREMES], "worst": ordered[: -N_EXTREMES - 1 : -1]}
    for title, names in extremes.items():
        print(f"\nSets on which {side} is {title}: error or RMSE over that of {over}")
        print(
            f"{'':<26} {'ratio':>6} {'level':>6} {'rows':>6} {'columns':>7} {'categories':>10} "
            f"{'missing':>7} {'classes':>7}"
        )
        for name in names:
            facts = outcome.facts[name]
            print(
                f"{name:<26} {ratios[name]:>6.2f} {level[name]:>6.2f} {facts.n_rows:>6} "
                f"{facts.n_columns:>7} {facts.n_categories:>10} {facts.missing:>7.1%} "
                f"{facts.n_classes or '':>7}".rstrip()
            )


def reliability_curve(of_sets: Iterable[list[Result]]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean confidence and share of right classes of bins of equal weight.

    Every set has the same weight, and every row of it an equal part of this weight. The stored bins
    are put together to ``N_POINTS`` of nearly equal weight.
    """
    pooled = np.zeros((N_BINS, 3))
    for of_set in of_sets:
        n_rows = sum(one.n_test for one in of_set)
        for one in of_set:
            for number, *sums in one.reliability or ():
                pooled[int(number)] += np.array(sums) / n_rows
    pooled /= pooled[:, 0].sum()
    middles = np.cumsum(pooled[:, 0]) - pooled[:, 0] / 2
    points = np.minimum((middles * N_POINTS).astype(int), N_POINTS - 1)
    weights, confidences, right = (np.bincount(points, column, N_POINTS) for column in pooled.T)
    is_there = weights > 0
    return confidences[is_there] / weights[is_there], right[is_there] / weights[is_there]


def draw_reliability(outcome: Outcome, path: Path) -> None:
    """Draw the reliability curves of all sides that have them, and save the figure."""
    import matplotlib.pyplot as plt

    names = names_of(outcome, (True,))
    figure, ax = plt.subplots(figsize=(8.4, 4.6), layout="constrained")
    ax.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
    lowest = 1.0
    measured = {
        side: [of_side[name] for name in names]
        for side, of_side in outcome.results.items()
        if all(one.reliability for name in names for one in of_side[name])
    }
    for number, (side, of_sets) in enumerate(measured.items()):
        confidences, right = reliability_curve(of_sets)
        error = np.mean([one.calibration_error for of_set in of_sets for one in of_set])
        style = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "label": f"{side} ({error:.3f})",
        }
        ax.plot(confidences, right, markersize=5, **style)
        lowest = min(lowest, *confidences, *right)
    low = max(0.0, np.floor(20 * lowest - 0.5) / 20)
    ax.set(
        xlabel="confidence: probability of the predicted class",
        ylabel="share of right classes",
        title=f"Test rows of {len(names)} sets, each of the same weight",
        xlim=(low, 1.01),
        ylim=(low, 1.01),
    )
    ax.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False, title="side (mean calibration error)")
    figure.savefig(path, dpi=120)
    plt.close(figure)
