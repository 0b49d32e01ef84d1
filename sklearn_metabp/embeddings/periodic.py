"""The periodic embedding."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp.embeddings.base import NumericEmbedding
from sklearn_metabp.network import Embedding


class PeriodicEmbedding(NumericEmbedding):
    r"""Sums of waves of a column with trained frequencies, and the column itself.

    A column :math:`x` becomes d numbers. The first d - 1 are sums of k waves, and the last one is
    x:

    .. math::
        z_f = \cos 2 \pi (w_f x + b_f), \qquad
        y_i = \theta_i + \sum_{f=1}^{k} v_{fi} z_f, \quad i = 1 \dots d - 1, \qquad y_d = x

    The frequencies w, the phases b, the coefficients v and the intercepts θ are trained, and every
    column has its own. Without them, a network needs many neurons to follow a function that rises
    and falls several times along one column.

    Parameters
    ----------
    n_frequencies : int, default=16
        Number k of waves for each column.
    n_outputs : int, default=4
        Number d of outputs for each column, at least 2.
    sigma : float, default=0.1
        Standard deviation of the frequencies at the start, above 0. With 0.1 a wave has a period of
        about ten units of the column, so scale the columns. With a larger sigma the network follows
        finer structure, and also more noise.
    columns : array-like, slice or None, default=None
        Columns to embed: numbers, a slice, a mask or names. The other columns, such as one-hot
        columns, do not change. None embeds all.

    See Also
    --------
    PiecewiseLinearEmbedding : An embedding by bins.

    Notes
    -----
    This is PBLD (periodic, bias, linear, DenseNet) of D. Holzmüller, L. Grinsztajn and I.
    Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data" (2024),
    after Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical Features in Tabular
    Deep Learning" (2022). At the start, phases are uniform between ±1/2 of a turn, and coefficients
    and intercepts are uniform between :math:`\pm 1 / \sqrt{k}`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp import BackpropMLPRegressor, PeriodicEmbedding
    >>> rng = np.random.RandomState(0)
    >>> X = rng.uniform(-3, 3, (500, 1))
    >>> y = np.sin(4 * X[:, 0])
    >>> embedding = PeriodicEmbedding(sigma=0.5)
    >>> model = BackpropMLPRegressor((32,), max_iter=100, tol=0.001, random_state=0)
    >>> plain = model.fit(X, y).score(X, y)
    >>> embedded = model.set_params(numeric_embedding=embedding).fit(X, y).score(X, y)
    >>> print(f"R2 {plain:.1f} without and {embedded:.1f} with the embedding")
    R2 0.0 without and 1.0 with the embedding
    """

    _parameter_constraints: dict = {
        **NumericEmbedding._parameter_constraints,
        "n_frequencies": [Interval(Integral, 1, None, closed="left")],
        "n_outputs": [Interval(Integral, 2, None, closed="left")],
        "sigma": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_frequencies: int = 16,
        n_outputs: int = 4,
        sigma: float = 0.1,
        columns: Any = None,
    ) -> None:
        self.n_frequencies = n_frequencies
        self.n_outputs = n_outputs
        self.sigma = sigma
        self.columns = columns

    def _embed(
        self, X: np.ndarray, columns: tuple[int, ...], before: Embedding | None
    ) -> Embedding:
        return Embedding(
            "periodic", columns, int(self.n_frequencies), int(self.n_outputs), float(self.sigma)
        )
