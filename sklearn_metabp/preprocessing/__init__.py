"""Transformers that prepare the columns of a table for a network."""

from sklearn_metabp.preprocessing.category_encoder import CategoryEncoder
from sklearn_metabp.preprocessing.robust_smooth_clipper import RobustSmoothClipper
from sklearn_metabp.preprocessing.table_preprocessor import TablePreprocessor

__all__ = ["CategoryEncoder", "RobustSmoothClipper", "TablePreprocessor"]
