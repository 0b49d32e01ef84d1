"""The piecewise linear embedding."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp.embeddings.base import NumericEmbedding
from sklearn_metabp.network import Embedding

# The narrowest bin whose slope 1 / width float32 can represent.
_NARROWEST = float(np.finfo(np.float32).tiny)


class PiecewiseLinearEmbedding(NumericEmbedding):
    r"""Functions of every column that are linear between its quantiles.

    Quantiles :math:`b_0 < \dots < b_T` of the rows of ``fit`` cut the range of a column :math:`x`
    into T bins. The column becomes d sums of the parts of the bins that are below x:

    .. math::
        e_t = \frac{x - b_{t-1}}{b_t - b_{t-1}} \text{ clipped to } [0, 1], \qquad
        y_i = \theta_i + \sum_{t=1}^{T} v_{ti} e_t, \quad i = 1 \dots d

    The first bin is not clipped below and the last bin is not clipped above, so the functions are
    straight lines outside the bins. The coefficients v and the intercepts θ are trained, and every
    column has its own. The bins do not change. A network with this embedding follows steps of a
    function easily, as boosted trees do.

    Parameters
    ----------
    n_bins : int, default=16
        Number T of bins for each column. Equal quantiles count once, so a column of few values has
        fewer bins.
    n_outputs : int, default=4
        Number d of outputs for each column.
    columns : array-like, slice or None, default=None
        Columns to embed: numbers, a slice, a mask or names. The other columns, such as one-hot
        columns, do not change. None embeds all.

    See Also
    --------
    PeriodicEmbedding : An embedding by waves.

    Notes
    -----
    The encoding is that of Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical
    Features in Tabular Deep Learning" (2022), section 3.2, followed by a linear layer. At the
    start, coefficients and intercepts are uniform between :math:`\pm 1 / \sqrt{T}`.

    The quantiles are those of all rows of the first ``fit`` or ``partial_fit``, also of rows that
    ``early_stopping`` sets aside. They do not depend on sample weights. A continued training keeps
    them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import BackpropMLPRegressor, PiecewiseLinearEmbedding
    >>> rng = np.random.RandomState(0)
    >>> X = rng.uniform(-3, 3, (500, 1))
    >>> y = np.floor(X[:, 0]) % 2
    >>> embedding = PiecewiseLinearEmbedding(n_bins=48)
    >>> model = BackpropMLPRegressor((32,), max_iter=100, tol=0.001, random_state=0)
    >>> plain = model.fit(X, y).score(X, y)
    >>> embedded = model.set_params(numeric_embedding=embedding).fit(X, y).score(X, y)
    >>> print(f"R2 {plain:.1f} without and {embedded:.1f} with the embedding")
    R2 0.1 without and 0.8 with the embedding
    """

    _parameter_constraints: dict = {
        **NumericEmbedding._parameter_constraints,
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "n_outputs": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, n_bins: int = 16, n_outputs: int = 4, columns: Any = None) -> None:
        self.n_bins = n_bins
        self.n_outputs = n_outputs
        self.columns = columns

    def _embed(
        self, X: np.ndarray, columns: tuple[int, ...], before: Embedding | None
    ) -> Embedding:
        n_bins = int(self.n_bins)
        if before is not None and before.edges and before.shape == (len(columns), n_bins):
            edges = before.edges
        else:
            levels = np.linspace(0, 1, n_bins + 1)
            edges = tuple(_edges(X[:, column], levels) for column in columns)
        return Embedding("piecewise_linear", columns, n_bins, int(self.n_outputs), edges=edges)


def _edges(values: np.ndarray, levels: np.ndarray) -> tuple[float, ...]:
    """Return the ends of the bins of a column. A constant column has one bin."""
    quantiles = np.unique(np.quantile(values.astype(np.float64), levels))
    edges = [float(quantiles[0])]
    for quantile in quantiles.tolist():
        if quantile - edges[-1] > _NARROWEST:
            edges.append(quantile)
    if len(edges) == 1:
        edges.append(edges[0] + max(1.0, abs(edges[0])))
    return tuple(edges)
