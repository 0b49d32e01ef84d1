"""Update rules: what turns one step into the change of every parameter, one rule a file."""

from sklearn_metabp.update_rules.adam import Adam
from sklearn_metabp.update_rules.base import UpdateRule
from sklearn_metabp.update_rules.resolve import UPDATE_RULES, resolve_update_rule
from sklearn_metabp.update_rules.sgd import SGD

__all__ = ["SGD", "UPDATE_RULES", "Adam", "UpdateRule", "resolve_update_rule"]
