"""A fitted learner as the arrays of one small MLP, where it is one."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.network import HIDDEN_ACTIVATIONS, OUT_ACTIVATIONS, ParameterLayout

# Of one unit each.
ELEMENTWISE_OUTPUTS = tuple(name for name in OUT_ACTIVATIONS if name != "softmax")

# Transformers that compute X A + b and nothing else.
_AFFINE = (StandardScaler, MaxAbsScaler, MinMaxScaler, RobustScaler, PCA)


@dataclass(frozen=True)
class MLPArrays:
    """A multilayer perceptron, ready for the compiled step.

    Attributes
    ----------
    layout : ParameterLayout
    params : ndarray of shape (n_params,)
    hidden, output : str
        Activation functions.
    """

    layout: ParameterLayout
    params: np.ndarray
    hidden: str
    output: str

    def __getstate__(self):  # without what is cached: bytes of a pickle do not depend on what was done
        return {name: self.__dict__[name] for name in ("layout", "params", "hidden", "output")}

    @cached_property
    def sizes(self) -> np.ndarray:
        """Units of every layer, int64."""
        return np.array(self.layout.layer_sizes, dtype=np.int64)

    @cached_property
    def _float32(self) -> np.ndarray:
        return self.params.astype(np.float32)

    def params_as(self, dtype) -> np.ndarray:
        """The parameters in float32 or float64."""
        return self._float32 if dtype == np.float32 else self.params


def as_mlp(learner, n_outputs: int = 1) -> MLPArrays | None:
    """The MLP that a fitted learner computes, scaling folded into its weights; None if it is no MLP.

    Understood are :class:`BackpropMLPRegressor` and scikit-learn's ``MLPRegressor`` of so many outputs,
    behind affine transformers in a ``Pipeline`` and inside ``TransformedTargetRegressor`` with such a one.
    """
    if isinstance(learner, TransformedTargetRegressor):
        return _unscaled_target(learner, n_outputs)
    if isinstance(learner, Pipeline):
        return _behind_transformers(learner, n_outputs)
    if not isinstance(learner, (BackpropMLPRegressor, MLPRegressor)) or learner.n_outputs_ != n_outputs:
        return None
    functions = _hidden_functions(learner)
    if learner.out_activation_ not in ELEMENTWISE_OUTPUTS or len(set(functions)) > 1:
        return None
    hidden = functions[0] if functions else "identity"
    return _arrays(learner.coefs_, learner.intercepts_, hidden, learner.out_activation_)


def _hidden_functions(learner) -> tuple[str, ...]:
    """Activation function of every hidden layer."""
    if isinstance(learner, BackpropMLPRegressor):
        return learner.network_.activations
    return (learner.activation,) * (len(learner.coefs_) - 1)


def _arrays(coefs, intercepts, hidden: str, output: str) -> MLPArrays:
    layout = ParameterLayout((len(coefs[0]), *(coef.shape[1] for coef in coefs)))
    return MLPArrays(layout, layout.flatten(coefs, intercepts), hidden, output)


def _behind_transformers(pipeline: Pipeline, n_outputs: int) -> MLPArrays | None:
    mlp = as_mlp(pipeline[-1], n_outputs)
    transformers = [step for _, step in pipeline.steps[:-1] if step not in (None, "passthrough")]
    if mlp is None or not all(_is_affine(transformer) for transformer in transformers):
        return None
    coefs, intercepts = mlp.layout.coefs(mlp.params), mlp.layout.intercepts(mlp.params)
    first, bias = coefs[0], intercepts[0]
    for transformer in reversed(transformers):  # (X A + b) W + c = X (A W) + (b W + c)
        matrix, offset = _affine(transformer.transform, transformer.n_features_in_)
        first, bias = matrix @ first, offset @ first + bias
    return _arrays([first, *coefs[1:]], [bias, *intercepts[1:]], mlp.hidden, mlp.output)


def _unscaled_target(learner: TransformedTargetRegressor, n_outputs: int) -> MLPArrays | None:
    mlp, transformer = as_mlp(learner.regressor_, n_outputs), learner.transformer_
    if mlp is None or not _is_affine(transformer):
        return None
    scale, offset = _affine(transformer.inverse_transform, n_outputs)
    coefs, intercepts = mlp.layout.coefs(mlp.params), mlp.layout.intercepts(mlp.params)
    if mlp.output == "identity":
        coefs[-1], intercepts[-1] = coefs[-1] @ scale, intercepts[-1] @ scale + offset
        return _arrays(coefs, intercepts, mlp.hidden, mlp.output)
    if (len(coefs) > 1 and mlp.hidden != mlp.output) or mlp.output not in HIDDEN_ACTIVATIONS:
        return None
    # Bent outputs become one more hidden layer, and the scaling the layer after it.
    return _arrays([*coefs, scale], [*intercepts, offset], mlp.output, "identity")


def _is_affine(transformer) -> bool:
    return isinstance(transformer, _AFFINE) and not getattr(transformer, "clip", False)


def _affine(function, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrix A and offset b of a function known to be X A + b."""
    offset = function(np.zeros((1, n_features)))
    return function(np.eye(n_features)) - offset, offset[0]
