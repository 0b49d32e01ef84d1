"""A display of a comparison of update rules."""

from typing import Any, Self

import numpy as np
from sklearn.utils._plotting import _validate_style_kwargs

from sklearn_metabp.meta_training import RuleComparison
from sklearn_metabp.meta_training.rule_comparison import RuleSummary
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import grid_of_axes
from sklearn_metabp.plotting.style import COLOURS


class RuleComparisonDisplay:
    """Ratios of update rules to a reference: interquartile means with their intervals.

    :meth:`from_comparison` makes it. Every rule but the reference has a line, with the
    interquartile mean of its ratios over all settings as a point, the 95 % bootstrap interval as a
    bar, and the geometric mean as an open circle. The reference is at 1; left of it is better.

    Parameters
    ----------
    summaries : list of RuleSummary
        One per rule, from top to bottom.
    reference : str
        Name of the rule that the others are compared with.
    measure : str
        Name of the measure that the ratios compare.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure
    errorbar_ : ErrorbarContainer
        Interquartile means and intervals.
    geometric_means_ : Line2D
    line_ : Line2D
        The vertical line at 1.

    See Also
    --------
    sklearn_metabp.meta_training.compare_rules : Compare rules on tasks.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, Adam, BackpropMLPClassifier
    >>> from sklearn_metabp.meta_training import Task, compare_rules
    >>> from sklearn_metabp.plotting import RuleComparisonDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> X, X_val, y, y_val = train_test_split(scale(X), y, random_state=0)
    >>> network = BackpropMLPClassifier((8,), batch_size=16, max_iter=10)
    >>> comparison = compare_rules(
    ...     {"SGD": SGD(0.1), "Adam": Adam()},
    ...     [Task(network, X, y, X_val, y_val)],
    ...     n_starts=3,
    ...     random_state=0,
    ... )
    >>> display = RuleComparisonDisplay.from_comparison(comparison, "validation_loss")
    >>> [summary.rule for summary in display.summaries], display.reference
    (['Adam'], 'SGD')
    """

    def __init__(self, *, summaries: list[RuleSummary], reference: str, measure: str):
        self.summaries = summaries
        self.reference = reference
        self.measure = measure

    @classmethod
    def from_comparison(
        cls,
        comparison: RuleComparison,
        measure: str = "test_loss",
        *,
        n_resamples: int = 2000,
        random_state: int | np.random.RandomState | None = 0,
        ax: Any = None,
        errorbar_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the summary of a comparison.

        Parameters
        ----------
        comparison : RuleComparison
            Draw a part of it, or another reference, by its ``select``.
        measure : str, default="test_loss"
            One of ``meta_training.rule_comparison.MEASURES``.
        n_resamples : int, default=2000
            Number of resamples of the bootstrap.
        random_state : int, RandomState instance or None, default=0
            The source of the resamples.
        ax : Axes, default=None
            None makes a figure.
        errorbar_kwargs : dict, default=None
            Arguments of matplotlib's ``errorbar``.

        Returns
        -------
        display : RuleComparisonDisplay

        Raises
        ------
        ValueError
            If the comparison has one rule only, or as :meth:`RuleComparison.ratios`.
        """
        require_library("matplotlib", f"{cls.__name__}.from_comparison")
        if len(comparison.rules) == 1:
            raise ValueError(
                f"the comparison has no rule but its reference, {comparison.reference!r}."
            )
        summaries = [
            one
            for one in comparison.summary(
                measure, n_resamples=n_resamples, random_state=random_state
            )
            if one.rule != comparison.reference
        ]
        display = cls(summaries=summaries, reference=comparison.reference, measure=measure)
        return display.plot(ax=ax, errorbar_kwargs=errorbar_kwargs)

    def plot(self, ax: Any = None, *, errorbar_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw the summaries; see :meth:`from_comparison`.

        Parameters
        ----------
        ax : Axes, default=None
        errorbar_kwargs : dict, default=None

        Returns
        -------
        display : RuleComparisonDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        from matplotlib.ticker import MaxNLocator, NullLocator

        style = _validate_style_kwargs(
            {"fmt": "o", "capsize": 3, "color": COLOURS[0], "label": "interquartile mean, 95 %"},
            errorbar_kwargs or {},
        )
        is_given = ax is not None
        if not is_given:
            (ax,) = grid_of_axes(None, 1, 1, figsize=(6, 1.9 + 0.35 * len(self.summaries)))
        places = np.arange(len(self.summaries))
        means = np.array([one.iqm for one in self.summaries])
        low = means - [one.iqm_low for one in self.summaries]
        high = [one.iqm_high for one in self.summaries] - means
        # Rounding, and a mean outside of the interval of its resamples, must not be negative.
        lengths = np.maximum([low, high], 0)
        self.errorbar_ = ax.errorbar(means, places, xerr=lengths, **style)
        (self.geometric_means_,) = ax.plot(
            [one.geometric_mean for one in self.summaries],
            places,
            linestyle="",
            marker="o",
            markerfacecolor="none",
            color="grey",
            label="geometric mean",
        )
        self.line_ = ax.axvline(1.0, color="black", linewidth=0.8)
        ax.set_xscale("log")
        # Ratios are near 1: 0.9 and 1.2 say more than powers of ten.
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.xaxis.set_major_formatter(lambda value, position: f"{value:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_yticks(places, [one.rule for one in self.summaries])
        ax.set_ylim(len(places) - 0.5, -0.5)
        ax.set_xlabel(f"{self.measure.replace('_', ' ')}, over that of {self.reference}")
        if is_given:
            ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1))
        else:
            handles = [self.errorbar_, self.geometric_means_]
            ax.figure.legend(
                handles=handles,
                fontsize="small",
                frameon=False,
                loc="outside lower center",
                ncols=2,
            )
        self.ax_, self.figure_ = ax, ax.figure
        return self
