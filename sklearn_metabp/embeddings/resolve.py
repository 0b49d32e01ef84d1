"""The step from the argument ``numeric_embedding`` to an embedding of the columns of X."""

from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.embeddings.base import NumericEmbedding
from sklearn_metabp.embeddings.periodic import PeriodicEmbedding
from sklearn_metabp.embeddings.piecewise_linear import PiecewiseLinearEmbedding
from sklearn_metabp.network import Embedding

EMBEDDINGS_BY_NAME: dict[str, type[NumericEmbedding]] = {
    "periodic": PeriodicEmbedding,
    "piecewise_linear": PiecewiseLinearEmbedding,
}


def with_columns(numeric_embedding: Any, columns: slice) -> Any:
    """Return the embedding with these columns if it names none, and otherwise unchanged.

    Parameters
    ----------
    numeric_embedding : str, NumericEmbedding or None
    columns : slice
    """
    if isinstance(numeric_embedding, str) and numeric_embedding in EMBEDDINGS_BY_NAME:
        numeric_embedding = EMBEDDINGS_BY_NAME[numeric_embedding]()
    if not isinstance(numeric_embedding, NumericEmbedding) or numeric_embedding.columns is not None:
        return numeric_embedding
    return clone(numeric_embedding).set_params(columns=columns)


def resolve_embedding(
    numeric_embedding: Any,
    X: np.ndarray,
    names: np.ndarray | None,
    before: Embedding | None = None,
) -> Embedding | None:
    """Return the embedding of a name or an object, for the columns of X.

    Parameters
    ----------
    numeric_embedding : str, NumericEmbedding or None
    X : ndarray of shape (n_samples, n_features)
    names : ndarray of shape (n_features,) or None
    before : Embedding, default=None
        The embedding of a training that is continued.

    Raises
    ------
    ValueError
        If there is no such name, or a parameter of the embedding is out of range.
    TypeError
        If it is no embedding, for example a class instead of an instance.
    """
    if numeric_embedding is None:
        return None
    if isinstance(numeric_embedding, str):
        if numeric_embedding not in EMBEDDINGS_BY_NAME:
            raise ValueError(
                f"numeric_embedding must be one of {list(EMBEDDINGS_BY_NAME)}, an embedding or "
                f"None, got {numeric_embedding!r}."
                f"{did_you_mean(numeric_embedding, EMBEDDINGS_BY_NAME)}"
            )
        numeric_embedding = EMBEDDINGS_BY_NAME[numeric_embedding]()
    if not isinstance(numeric_embedding, NumericEmbedding):
        hint = " Pass an instance: add parentheses." if isinstance(numeric_embedding, type) else ""
        raise TypeError(
            f"numeric_embedding must be one of {list(EMBEDDINGS_BY_NAME)}, an embedding such as "
            f"PeriodicEmbedding() or None, got {numeric_embedding!r}.{hint}"
        )
    return numeric_embedding.embedding_of(X, names, before)
