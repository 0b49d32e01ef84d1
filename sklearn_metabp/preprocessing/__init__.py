"""Transformers that prepare the columns of a table for a network."""

from sklearn_metabp.preprocessing.robust_smooth_clipper import RobustSmoothClipper

__all__ = ["RobustSmoothClipper"]
