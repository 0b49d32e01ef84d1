"""Update rules: what turns one step into the change of every parameter, one rule a file."""

from sklearn_metabp.update_rules.adam import Adam
from sklearn_metabp.update_rules.base import UpdateRule
from sklearn_metabp.update_rules.lbfgs import LBFGS
from sklearn_metabp.update_rules.line_search import LineSearchRule
from sklearn_metabp.update_rules.resolve import UPDATE_RULES, resolve_update_rule
from sklearn_metabp.update_rules.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "UPDATE_RULES",
    "Adam",
    "LineSearchRule",
    "UpdateRule",
    "resolve_update_rule",
]
