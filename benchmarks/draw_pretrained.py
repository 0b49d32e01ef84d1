"""Draw the picture of the README: the shipped rule against Adam that is tuned for every task.

The numbers are the first table of ``docs/pretrained.rst``, which ``pretrained_vs_tuned.py``
printed. The measurement takes hours, the picture a second. ``--table`` reads another file with the
table, such as the output of that script.

Run ``python benchmarks/draw_pretrained.py``.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = "Adam, tuned"
#: Rows of the table, by the names that the picture gives them.
NAMES = {
    "Adam, tuned": "Adam, best of 14 rates for every task",
    "AdamW, tuned": "AdamW, best of 8 settings for every task",
    "Adam 1e-3": "Adam(0.001)",
    "Adam 3e-3": "Adam(0.003)",
    "ScheduleFree": "ScheduleFree",
    "averaged AdamW": "averaged AdamW, chosen on other tasks",
    "generalise": 'update_rule="learned", nothing to tune',
}
LEARNED = "generalise"


class Row(NamedTuple):
    """The interquartile mean of the ratios of a rule, and its interval."""

    iqm: float
    low: float
    high: float


def read_table(text: str) -> dict[str, Row]:
    """Return the rows of the first table that has all rules, by the names of the rules."""
    number = r"\s*(\d+\.\d+)"
    line = re.compile(rf'^\s*"?([A-Za-z][\w ,.-]*?)"?(?:, untuned, one run)?\s{{2,}}{number}(.*)$')
    interval = re.compile(rf"\s*\[{number},{number}\s*\]")
    found: dict[str, Row] = {}
    for each in text.splitlines():
        if match := line.match(each):
            name, iqm, rest = match[1], float(match[2]), interval.match(match[3])
            low, high = (float(rest[1]), float(rest[2])) if rest else (iqm, iqm)
            if name in NAMES and name not in found:
                found[name] = Row(iqm, low, high)
    found.setdefault(REFERENCE, Row(1.0, 1.0, 1.0))
    if missing := set(NAMES) - set(found):
        raise ValueError(f"the table has no row for {', '.join(sorted(missing))}")
    return found


def draw(rows: dict[str, Row]) -> plt.Figure:
    """Return the figure: one dot and interval for every rule, the best on top."""
    names = sorted(rows, key=lambda name: -rows[name].iqm)
    figure, ax = plt.subplots(figsize=(8.8, 3.6), layout="constrained")
    ax.axvline(1, color="black", lw=1, ls="--")
    for place, name in enumerate(names):
        row, is_learned = rows[name], name == LEARNED
        colour = "#D55E00" if is_learned else "#0072B2"
        ax.plot([row.low, row.high], [place, place], color=colour, lw=2.5)
        ax.plot(row.iqm, place, marker="D" if is_learned else "o", ms=8, color=colour)
        ax.annotate(
            f"{row.iqm:.3f}",
            (row.iqm, place),
            (0, 8),
            textcoords="offset points",
            ha="center",
            bbox={"color": "white", "pad": 1},
        )
    ax.set_yticks(range(len(names)), [NAMES[name] for name in names])
    label = ax.get_yticklabels()[names.index(LEARNED)]
    label.set_color("#D55E00")
    label.set_fontweight("bold")
    ax.set_ylim(-0.5, len(names) - 0.2)
    ax.set_xlabel(
        "test loss over that of tuned Adam, less is better\n"
        "(110 settings of 55 real data sets: interquartile mean, 95 % interval)"
    )
    gain = 1 - rows[LEARNED].iqm
    ax.set_title(f"Nothing to tune, and {gain:.0%} less test loss than tuned Adam")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def main(table: Path, picture: Path) -> None:
    rows = read_table(table.read_text(encoding="utf-8"))
    for name, row in rows.items():
        print(f"{NAMES[name]:42} {row.iqm:.3f} [{row.low:.3f}, {row.high:.3f}]")
    draw(rows).savefig(picture, dpi=144)
    print(f"drawn in {picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, default=DOCS / "pretrained.rst")
    parser.add_argument("--picture", type=Path, default=DOCS / "_static" / "learned_rule.png")
    arguments = parser.parse_args()
    main(arguments.table, arguments.picture)
