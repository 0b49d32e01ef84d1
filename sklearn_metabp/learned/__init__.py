"""Learned update rules: the estimator, its scopes, and the files that hold rules."""

from sklearn_metabp.learned.explain import RuleExplanation
from sklearn_metabp.learned.files import RuleFileError
from sklearn_metabp.learned.rule import LearnedUpdateRule, load_rule
from sklearn_metabp.learned.scopes import (
    NETWORK_INPUTS,
    SCOPES,
    LinkScope,
    NetworkScope,
    NeuronScope,
    Scope,
)

# Inputs of the default scope.
DEFAULT_INPUTS = LinkScope.default_inputs

__all__ = [
    "DEFAULT_INPUTS",
    "NETWORK_INPUTS",
    "SCOPES",
    "LearnedUpdateRule",
    "LinkScope",
    "NetworkScope",
    "NeuronScope",
    "RuleExplanation",
    "RuleFileError",
    "Scope",
    "load_rule",
]
