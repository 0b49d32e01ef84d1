"""Weights of the samples that a scope is fitted on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter


@dataclass(frozen=True, eq=False)
class SampleWeights:
    """Weights of the samples that a scope is fitted on, and of the steps that they are from.

    A whole number as a weight has the effect of so many copies of the sample. Without weights,
    means, medians and fits are the usual ones, with the same bits.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,) or None, default=None
        Weight of every row of features and targets; None for equal weights.
    steps : ndarray of shape (n_steps,) or None, default=None
        Weight of every step of the trace that they are from; None for equal weights.
    """

    samples: np.ndarray | None = None
    steps: np.ndarray | None = None

    def __getitem__(self, mask: np.ndarray) -> "SampleWeights":
        """Return the weights of some of the samples."""
        return self if self.samples is None else SampleWeights(self.samples[mask], self.steps)

    @property
    def column(self) -> np.ndarray:
        """Weights as a column that multiplies matrices, (n_samples, 1) or (1, 1)."""
        return np.ones((1, 1)) if self.samples is None else self.samples[:, None]

    def repeated(self, n_times: int) -> "SampleWeights":
        """Return the weights of repeated samples, one copy after another."""
        if self.samples is None:
            return self
        return SampleWeights(np.tile(self.samples, n_times), self.steps)

    def mean(self, values: np.ndarray) -> Any:
        """Return the mean along the first axis."""
        return np.average(values, axis=0, weights=self.samples)

    def std(self, values: np.ndarray) -> float:
        """Return the standard deviation of a vector."""
        if self.samples is None:
            return float(values.std())
        return float(np.sqrt(self.mean((values - self.mean(values)) ** 2)))

    def median(self, values: np.ndarray) -> float:
        """Return the median of a vector; the mean of two values that share the middle."""
        if self.samples is None:
            return float(np.median(values))
        order = np.argsort(values)
        above = np.cumsum(self.samples[order])
        half = above[-1] / 2
        middle = [np.searchsorted(above, half, side) for side in ("left", "right")]
        return float(np.mean(values[order[np.minimum(middle, len(values) - 1)]]))

    def fit(self, learner: Any, X: np.ndarray, y: np.ndarray) -> Any:
        """Fit a learner to weighted samples.

        Raises
        ------
        ValueError
            If there are weights and the learner takes none.
        """
        if self.samples is None:
            return learner.fit(X, y)
        return learner.fit(X, y, **_weight_params(learner, self.samples))


#: Equal weights of all samples.
ALIKE = SampleWeights()


def _weight_params(learner: Any, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arguments of ``fit`` that pass weights to a learner, also to a nested one."""
    if isinstance(learner, TransformedTargetRegressor):
        inner = LinearRegression() if learner.regressor is None else learner.regressor
        return _weight_params(inner, weights)
    if isinstance(learner, Pipeline):
        *before, (name, last) = learner.steps
        params = {f"{name}__{key}": value for key, value in _weight_params(last, weights).items()}
        for name, transformer in before:
            if has_fit_parameter(transformer, "sample_weight"):
                params[f"{name}__sample_weight"] = weights
        return params
    if has_fit_parameter(learner, "sample_weight"):
        return {"sample_weight": weights}
    raise ValueError(
        f"the learner {learner!r} takes no sample_weight. Take another one, or draw steps of the "
        "trace by their weights and fit without: "
        "trace[rng.choice(len(trace), len(trace), p=weights / weights.sum())]."
    )
