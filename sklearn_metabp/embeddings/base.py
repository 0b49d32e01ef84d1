"""The base class of the embeddings of numbers."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.embeddings.columns import column_numbers
from sklearn_metabp.network import Embedding


class NumericEmbedding(ExplainsParameters, DocLinkMixin, BaseEstimator, ABC):
    """Trained functions of single columns, for ``numeric_embedding`` of an estimator.

    An embedding has parameters, but no fitted attributes. The trained numbers are parameters of the
    network, in ``params_`` of the estimator.
    """

    columns: Any

    _parameter_constraints: dict = {"columns": ["array-like", slice, None]}

    def embedding_of(
        self, X: np.ndarray, names: np.ndarray | None, before: Embedding | None = None
    ) -> Embedding | None:
        """Return the embedding of the columns of X, or None if no column is chosen.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Training rows.
        names : ndarray of shape (n_features,), default=None
            Names of the columns, if they have names.
        before : Embedding, default=None
            The embedding of a training that is continued.

        Raises
        ------
        ValueError
            If a parameter is out of range, or a column is not in X.
        """
        self._validate_params()
        columns = column_numbers(self.columns, X.shape[1], names)
        return self._embed(X, columns, before) if columns else None

    @abstractmethod
    def _embed(
        self, X: np.ndarray, columns: tuple[int, ...], before: Embedding | None
    ) -> Embedding:
        """Return the embedding of some columns, at least one."""
