"""Learned update rules: features and targets out of traces, scopes, learners."""

from sklearn_metabp.learned.explain import RuleExplanation
from sklearn_metabp.learned.link import DEFAULT_INPUTS, LinkScope
from sklearn_metabp.learned.loading import load_rule
from sklearn_metabp.learned.network_scope import NETWORK_INPUTS, NetworkScope
from sklearn_metabp.learned.neuron import NeuronScope
from sklearn_metabp.learned.rule import LearnedUpdateRule
from sklearn_metabp.learned.rule_files import RuleFileError

__all__ = [
    "DEFAULT_INPUTS",
    "NETWORK_INPUTS",
    "LearnedUpdateRule",
    "LinkScope",
    "NetworkScope",
    "NeuronScope",
    "RuleExplanation",
    "RuleFileError",
    "load_rule",
]
