"""Targets: the conversion of y to targets of the output neurons and back; class weights."""

from sklearn_metabp.targets.classes import ClassTargets
from sklearn_metabp.targets.columns import MultiOutputTargets
from sklearn_metabp.targets.labels import as_labels
from sklearn_metabp.targets.learn import learn_targets
from sklearn_metabp.targets.numbers import NumberTargets
from sklearn_metabp.targets.rows import RowTargets
from sklearn_metabp.targets.sequences import SequenceTargets
from sklearn_metabp.targets.targets import Targets

__all__ = [
    "ClassTargets",
    "MultiOutputTargets",
    "NumberTargets",
    "RowTargets",
    "SequenceTargets",
    "Targets",
    "as_labels",
    "learn_targets",
]
