"""Many trainings at once: teaching where the student drives, judging a rule by the networks it trains."""

from sklearn_metabp.meta_training.aggregate import aggregate
from sklearn_metabp.meta_training.rollout import make_rollout_scorer

__all__ = ["aggregate", "make_rollout_scorer"]
