"""RuleComparisonDisplay draws the summary of a comparison."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from sklearn_metabp.meta_training import RuleComparison
from sklearn_metabp.meta_training.rule_comparison import ComparedTraining
from sklearn_metabp.plotting import RuleComparisonDisplay


@pytest.fixture
def comparison():
    """Two rules against a reference on 40 settings; the first is better and the second worse."""
    rng = np.random.RandomState(0)
    losses = {"Adam": np.ones(40), "better": rng.lognormal(-0.3, 0.2, 40)}
    losses["worse"] = rng.lognormal(0.5, 0.2, 40)
    trainings = [
        ComparedTraining(rule, task, 0, 0, False, loss, loss, loss, loss, 0.5, 1, 1.0, 1.0, (1.0,))
        for rule, of_rule in losses.items()
        for task, loss in enumerate(of_rule)
    ]
    return RuleComparison(trainings, tuple(losses), "Adam", tuple(range(40)), tuple(range(40)))


def test_means_and_intervals_are_those_of_the_summary(comparison):
    display = RuleComparisonDisplay.from_comparison(comparison)
    summaries = comparison.summary()[1:]
    points, _, (bars,) = display.errorbar_
    np.testing.assert_array_equal(points.get_xdata(), [one.iqm for one in summaries])
    for bar, one in zip(bars.get_segments(), summaries, strict=True):
        np.testing.assert_allclose(bar[:, 0], [one.iqm_low, one.iqm_high], rtol=1e-12)
    drawn = display.geometric_means_.get_xdata()
    np.testing.assert_array_equal(drawn, [one.geometric_mean for one in summaries])
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["better", "worse"]
    assert display.ax_.get_xlabel() == "test loss, over that of Adam"
    top, bottom = (display.ax_.transData.transform((1, place))[1] for place in (0, 1))
    assert top > bottom  # the first rule is at the top


def test_a_part_another_measure_and_given_axes(comparison):
    _, ax = plt.subplots()
    part = comparison.select(rules=["better"], reference="worse")
    display = RuleComparisonDisplay.from_comparison(
        part, "training_loss", ax=ax, errorbar_kwargs={"color": "red"}
    )
    assert display.ax_ is ax and display.reference == "worse"
    assert display.errorbar_[0].get_xdata()[0] < 1
    assert display.errorbar_[0].get_color() == "red"
    assert "training loss, over that of worse" in ax.get_xlabel()
    again = display.plot()
    assert again is display and display.ax_ is not ax


def test_a_single_rule_is_refused(comparison):
    with pytest.raises(ValueError, match="no rule but its reference, 'Adam'"):
        RuleComparisonDisplay.from_comparison(comparison.select(rules=[]))
    with pytest.raises(ValueError, match="measure must be one of"):
        RuleComparisonDisplay.from_comparison(comparison, "speed")
