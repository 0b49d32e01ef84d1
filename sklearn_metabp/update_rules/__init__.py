"""Update rules, which compute the change of every parameter. Each rule has its own file."""

from sklearn_metabp.update_rules import named_rules as _named_rules
from sklearn_metabp.update_rules.averaged import Averaged
from sklearn_metabp.update_rules.clipped import Clipped
from sklearn_metabp.update_rules.layerwise import Layerwise
from sklearn_metabp.update_rules.line_search import LineSearchRule
from sklearn_metabp.update_rules.linear_backprop import LinearBackprop
from sklearn_metabp.update_rules.named_rules import *  # noqa: F403
from sklearn_metabp.update_rules.resolve import FITTED_RULES, UPDATE_RULES, resolve_update_rule
from sklearn_metabp.update_rules.safeguarded import Safeguarded
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule

__all__ = [
    "FITTED_RULES",
    "UPDATE_RULES",
    "Averaged",
    "Clipped",
    "Layerwise",
    "LineSearchRule",
    "LinearBackprop",
    "Safeguarded",
    "TrainingRule",
    "UpdateRule",
    "resolve_update_rule",
]
__all__ += _named_rules.__all__
