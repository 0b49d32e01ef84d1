"""Embeddings of numbers: trained functions of single columns, before the first layer."""

from sklearn_metabp.embeddings.base import NumericEmbedding
from sklearn_metabp.embeddings.periodic import PeriodicEmbedding
from sklearn_metabp.embeddings.piecewise_linear import PiecewiseLinearEmbedding
from sklearn_metabp.embeddings.resolve import EMBEDDINGS_BY_NAME, resolve_embedding, with_columns

__all__ = [
    "EMBEDDINGS_BY_NAME",
    "NumericEmbedding",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "resolve_embedding",
    "with_columns",
]
