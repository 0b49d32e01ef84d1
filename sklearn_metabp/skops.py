"""The types of this package that ``skops.io`` must trust to load a saved model.

skops writes a model to a file that is loaded without running code from the file. It makes only
objects of types that skops or the caller trusts. ``TRUSTED_TYPES`` has the names of the types of
this package.

Examples
--------
>>> import skops.io
>>> from sklearn.datasets import load_iris
>>> from sklearn_metabp import BackpropMLPClassifier
>>> from sklearn_metabp.skops import TRUSTED_TYPES
>>> X, y = load_iris(return_X_y=True)
>>> model = BackpropMLPClassifier(tol=0.01, random_state=0).fit(X, y)
>>> loaded = skops.io.loads(skops.io.dumps(model), trusted=TRUSTED_TYPES)
>>> differences = loaded.predict_proba(X) - model.predict_proba(X)
>>> print("largest difference", abs(differences).max())
largest difference 0.0
"""

from inspect import isabstract
from typing import Any

from sklearn_metabp import update_rules
from sklearn_metabp.embeddings import PeriodicEmbedding, PiecewiseLinearEmbedding
from sklearn_metabp.estimators import (
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
)
from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.learned.explain import InputRanges
from sklearn_metabp.learned.mlp import MLPArrays
from sklearn_metabp.learned.scopes import SCOPES, PlainRegression
from sklearn_metabp.learned.scopes.layer import zero_params
from sklearn_metabp.network import (
    Embedding,
    InputLayer,
    Network,
    ParameterLayout,
    RecurrentNetwork,
)
from sklearn_metabp.preprocessing import CategoryEncoder, RobustSmoothClipper, TablePreprocessor
from sklearn_metabp.tabular import InputRates, TabularMLPClassifier, TabularMLPRegressor
from sklearn_metabp.tabular.brier import negative_brier_score
from sklearn_metabp.targets import (
    ClassTargets,
    MultiOutputTargets,
    NumberTargets,
    RowTargets,
    SequenceTargets,
)
from sklearn_metabp.training import Curve, Patience, TrainingState

__all__ = ["TRUSTED_TYPES"]

_PUBLIC = [getattr(update_rules, name) for name in update_rules.__all__]
_RULES = [
    kind
    for kind in _PUBLIC
    if isinstance(kind, type)
    and issubclass(kind, update_rules.TrainingRule)
    and not isabstract(kind)
]
_TYPES: list[Any] = [
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    BackpropRNNClassifier,
    BackpropRNNRegressor,
    RobustSmoothClipper,
    TablePreprocessor,
    CategoryEncoder,
    InputRates,
    TabularMLPClassifier,
    TabularMLPRegressor,
    negative_brier_score,
    ClassTargets,
    MultiOutputTargets,
    NumberTargets,
    RowTargets,
    SequenceTargets,
    Network,
    RecurrentNetwork,
    ParameterLayout,
    InputLayer,
    Embedding,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    TrainingState,
    Patience,
    Curve,
    *_RULES,
    LearnedUpdateRule,
    *SCOPES.values(),
    PlainRegression,
    zero_params,
    MLPArrays,
    InputRanges,
]

#: Names of all types in a saved estimator, update rule or pipeline of them that skops does not
#: trust by default. Their objects have data only: none opens a file, or calls a function that a
#: file names.
TRUSTED_TYPES: list[str] = sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in _TYPES)
