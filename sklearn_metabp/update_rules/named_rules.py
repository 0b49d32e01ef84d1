"""The table of named rules. A new rule needs one import and one entry in ``__all__``.

The table gives the names for ``update_rule``, the public names of ``sklearn_metabp.update_rules``
and of ``sklearn_metabp``, and the suggestions in errors.
"""

from sklearn_metabp.update_rules.adadelta import AdaDelta
from sklearn_metabp.update_rules.adagrad import AdaGrad
from sklearn_metabp.update_rules.adam import Adam
from sklearn_metabp.update_rules.adamax import AdaMax
from sklearn_metabp.update_rules.adamw import AdamW
from sklearn_metabp.update_rules.conjugate_gradient import ConjugateGradient
from sklearn_metabp.update_rules.lbfgs import LBFGS
from sklearn_metabp.update_rules.lion import Lion
from sklearn_metabp.update_rules.muon import Muon
from sklearn_metabp.update_rules.nadam import NAdam
from sklearn_metabp.update_rules.prodigy import Prodigy
from sklearn_metabp.update_rules.radam import RAdam
from sklearn_metabp.update_rules.resolve import UPDATE_RULES
from sklearn_metabp.update_rules.rmsprop import RMSprop
from sklearn_metabp.update_rules.rprop import Rprop
from sklearn_metabp.update_rules.schedule_free import ScheduleFree
from sklearn_metabp.update_rules.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "AdaMax",
    "Adam",
    "AdamW",
    "ConjugateGradient",
    "Lion",
    "Muon",
    "NAdam",
    "Prodigy",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ScheduleFree",
]

# The name of a rule is the name of its class in lower case.
UPDATE_RULES.update({name.lower(): globals()[name] for name in sorted(__all__, key=str.lower)})
