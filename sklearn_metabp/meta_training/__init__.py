"""Many trainings at once: to learn rules from, and to rate rules by the networks they train."""

from sklearn_metabp.meta_training.aggregate import aggregate
from sklearn_metabp.meta_training.cma_search import CMASearch
from sklearn_metabp.meta_training.comparison import compare_rules
from sklearn_metabp.meta_training.evolution import EvolutionSearch
from sklearn_metabp.meta_training.families import TaskFamily
from sklearn_metabp.meta_training.pool import Pool, record_pool
from sklearn_metabp.meta_training.rollout import Rollout, rollout, rollout_seed
from sklearn_metabp.meta_training.rule_comparison import RuleComparison
from sklearn_metabp.meta_training.scoring import make_rollout_scorer
from sklearn_metabp.meta_training.synthetic_tasks import SyntheticTask, SyntheticTasks
from sklearn_metabp.meta_training.tasks import Task
from sklearn_metabp.meta_training.workers import ClusterLostError, LostJobError

__all__ = [
    "CMASearch",
    "ClusterLostError",
    "EvolutionSearch",
    "LostJobError",
    "Pool",
    "Rollout",
    "RuleComparison",
    "SyntheticTask",
    "SyntheticTasks",
    "Task",
    "TaskFamily",
    "aggregate",
    "compare_rules",
    "make_rollout_scorer",
    "record_pool",
    "rollout",
    "rollout_seed",
]
