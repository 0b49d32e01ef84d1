"""Predictions that a rule is fitted on, drawn at random from traces."""

from typing import Any

import numpy as np

from sklearn_metabp.learned.scopes import Scope
from sklearn_metabp.learned.weights import ALIKE, SampleWeights
from sklearn_metabp.tracing import Trace
from sklearn_metabp.tracing.prediction_sample import PredictionSample, draw_numbers


class DrawnPredictions:
    r"""Features and targets of predictions that are drawn from a sequence of traces.

    All predictions of all traces so far have the same chance to be held, as if they were drawn from
    the sum of the traces. Let n of N predictions be held, and let a new trace have M. Then n of the
    numbers up to N + M are drawn. The count of those up to N is the number of held predictions that
    remain, and these are drawn from the held ones. The other predictions are read from the new
    trace. So each trace is read once, when it is added, and memory holds n predictions.

    Parameters
    ----------
    scope : Scope
        The scope that computes them, not fitted.
    n_most : int or None
        Maximal number of predictions held; None for all.
    rng : RandomState
        Draws; it is not used as long as all predictions are held.

    Attributes
    ----------
    trace : Trace
        The sum of the traces.

    Raises
    ------
    ValueError
        If features or targets are read before a trace with predictions was added.

    References
    ----------
    J. S. Vitter, "Random Sampling with a Reservoir" (1985), of which this is a form for batches.
    """

    def __init__(self, scope: Scope, n_most: int | None, rng: np.random.RandomState):
        self._scope, self._n_most, self._rng = scope, n_most, rng
        self._n_seen = 0
        self._features: np.ndarray | None = None
        self._targets: np.ndarray | None = None
        self._sample_weights: np.ndarray | None = None
        self._step_weights: np.ndarray | None = None
        self.trace = Trace([])

    def __len__(self) -> int:
        return 0 if self._features is None else len(self._features)

    @property
    def features(self) -> np.ndarray:
        """Features of the predictions, (n_held, n_columns)."""
        return self._held(self._features)

    @property
    def targets(self) -> np.ndarray:
        """Targets of the predictions, (n_held,) or (n_held, n_targets)."""
        return self._held(self._targets)

    def _held(self, array: np.ndarray | None) -> np.ndarray:
        if array is None:
            raise ValueError(self._scope.empty_trace_message)
        return array

    @property
    def weights(self) -> SampleWeights:
        """Weights of the predictions, and of the steps of the trace."""
        if self._step_weights is None:
            return ALIKE
        return SampleWeights(self._sample_weights, self._step_weights)

    def add(self, trace: Trace, step_weights: np.ndarray | None = None) -> None:
        """Read the drawn predictions of a trace, and drop as many earlier ones.

        Parameters
        ----------
        trace : Trace
            Without the steps of earlier ones.
        step_weights : ndarray of shape (len(trace),), default=None
            Weights of its steps, for all traces or for none.

        Raises
        ------
        ValueError
            If the scope cannot learn from the trace, or not from it and earlier ones together.
        """
        if not len(trace):
            return
        whole = self.trace + trace if len(self.trace) else trace
        self._scope.check_trace(whole)
        sizes = self._scope.count_predictions(trace)
        n_new = int(sizes.sum())
        numbers = draw_numbers(self._n_seen + n_new, self._n_most, self._rng)
        n_kept = int(np.searchsorted(numbers, self._n_seen))
        sample = PredictionSample.of(trace, sizes, numbers[n_kept:] - self._n_seen)
        if len(sample):  # otherwise all held predictions remain
            kept = draw_numbers(len(self), n_kept, self._rng)
            features, targets = self._scope.read(trace, sample)
            self._features = _joined(self._features, kept, features)
            self._targets = _joined(self._targets, kept, targets)
            if step_weights is not None:
                spread = sample.spread(step_weights)
                self._sample_weights = _joined(self._sample_weights, kept, spread)
        if step_weights is not None:
            self._step_weights = _joined(self._step_weights, slice(None), step_weights)
        self.trace, self._n_seen = whole, self._n_seen + n_new


def _joined(held: np.ndarray | None, kept: Any, new: np.ndarray) -> np.ndarray:
    """Return the kept rows of an array, followed by the new rows."""
    return new if held is None else np.concatenate([held[kept], new])
