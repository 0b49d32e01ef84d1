"""Update rules: what turns one step into the change of every parameter, one rule a file."""

from sklearn_metabp.update_rules.adadelta import AdaDelta
from sklearn_metabp.update_rules.adagrad import AdaGrad
from sklearn_metabp.update_rules.adam import Adam
from sklearn_metabp.update_rules.adamax import AdaMax
from sklearn_metabp.update_rules.adamw import AdamW
from sklearn_metabp.update_rules.averaged import Averaged
from sklearn_metabp.update_rules.clipped import Clipped
from sklearn_metabp.update_rules.conjugate_gradient import ConjugateGradient
from sklearn_metabp.update_rules.lbfgs import LBFGS
from sklearn_metabp.update_rules.line_search import LineSearchRule
from sklearn_metabp.update_rules.linear_backprop import LinearBackprop
from sklearn_metabp.update_rules.lion import Lion
from sklearn_metabp.update_rules.muon import Muon
from sklearn_metabp.update_rules.nadam import NAdam
from sklearn_metabp.update_rules.radam import RAdam
from sklearn_metabp.update_rules.resolve import UPDATE_RULES, resolve_update_rule
from sklearn_metabp.update_rules.rmsprop import RMSprop
from sklearn_metabp.update_rules.rprop import Rprop
from sklearn_metabp.update_rules.safeguarded import Safeguarded
from sklearn_metabp.update_rules.sgd import SGD
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule

__all__ = [
    "LBFGS",
    "SGD",
    "UPDATE_RULES",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "AdamW",
    "Averaged",
    "Clipped",
    "ConjugateGradient",
    "LineSearchRule",
    "LinearBackprop",
    "Lion",
    "Muon",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Safeguarded",
    "TrainingRule",
    "UpdateRule",
    "resolve_update_rule",
]
