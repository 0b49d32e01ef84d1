"""Many trainings at once: to learn rules from, and to rate rules by the networks they train."""

from sklearn_metabp.meta_training.aggregate import aggregate
from sklearn_metabp.meta_training.comparison import RuleComparison, compare_rules
from sklearn_metabp.meta_training.rollout import Rollout, rollout, rollout_seed
from sklearn_metabp.meta_training.scoring import make_rollout_scorer
from sklearn_metabp.meta_training.tasks import Task

__all__ = [
    "Rollout",
    "RuleComparison",
    "Task",
    "aggregate",
    "compare_rules",
    "make_rollout_scorer",
    "rollout",
    "rollout_seed",
]
