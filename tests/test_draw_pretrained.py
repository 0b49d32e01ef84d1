"""The picture of the README has the numbers of the documentation."""

import sys
from pathlib import Path

import pytest

import sklearn_metabp

ROOT = Path(sklearn_metabp.__file__).parents[1]
PAGE = ROOT / "docs" / "pretrained.rst"
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="docs are not installed")


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import draw_pretrained
    finally:
        sys.path.pop(0)
    return draw_pretrained


def test_the_table_of_the_page_is_read(script):
    rows = script.read_table(PAGE.read_text("utf-8"))
    assert set(rows) == set(script.NAMES)
    assert rows["Adam, tuned"] == (1.0, 1.0, 1.0)
    for name, row in rows.items():
        assert row.low <= row.iqm <= row.high, name
        assert row.iqm <= 1.0, name


def test_lines_of_the_benchmark_are_read_too(script):
    line = "    {:<26} {:6.3f} [{:6.3f},{:6.3f}]   0.9   0.9  0.65   1.60"
    numbers = {name: (0.9 + k / 100, 0.8, 1.1) for k, name in enumerate(script.NAMES)}
    text = "\n".join(line.format(name, *each) for name, each in numbers.items())
    assert script.read_table(text) == {
        name: tuple(round(one, 3) for one in each) for name, each in numbers.items()
    }
    with pytest.raises(ValueError, match=r"no row for generalise"):
        script.read_table(text.replace("generalise", "another"))


def test_the_learned_rule_is_on_top_and_marked(script):
    figure = script.draw(script.read_table(PAGE.read_text("utf-8")))
    (ax,) = figure.axes
    labels = ax.get_yticklabels()
    assert "learned" in labels[-1].get_text()
    assert "8% less test loss" in ax.get_title()
    assert [label.get_fontweight() for label in labels].count("bold") == 1
