"""Learned update rules: features and targets out of traces, scopes, learners."""

from sklearn_metabp.learned.link import DEFAULT_INPUTS, LinkScope
from sklearn_metabp.learned.rule import LearnedUpdateRule

__all__ = ["DEFAULT_INPUTS", "LearnedUpdateRule", "LinkScope"]
