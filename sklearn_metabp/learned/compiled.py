"""A fitted learner as the arrays of one small MLP, where it is one."""

import copy
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

# Transformers that compute X A + b and nothing else, and what has to be zero for b to be.
_OFFSETS: dict[type, str | None] = {
    StandardScaler: "mean_",
    MaxAbsScaler: None,
    MinMaxScaler: "min_",
    RobustScaler: "center_",
    PCA: "mean_",
}


@dataclass(frozen=True)
class MLPArrays:
    """A multilayer perceptron, ready for the compiled step.

    Attributes
    ----------
    layout : ParameterLayout
    params : ndarray of shape (n_params,)
    hidden, output : str
        Activation functions.
    centre : ndarray of shape (n_inputs,) or None
        What is subtracted from the inputs before the first layer, the same number in float32 and
        float64; None where that is nothing.
    """

    layout: ParameterLayout
    params: np.ndarray
    hidden: str
    output: str
    centre: np.ndarray | None = None

    def __getstate__(
        self,
    ):  # without what is cached: bytes of a pickle do not depend on what was done
        return {
            name: self.__dict__[name] for name in ("layout", "params", "hidden", "output", "centre")
        }

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

    def centre_as(self, dtype) -> np.ndarray | None:
        """The centre in float32 or float64."""
        return None if self.centre is None else self.centre.astype(dtype)


def as_mlp(learner, n_outputs: int = 1, centre: np.ndarray | None = None) -> MLPArrays | None:
    """The MLP that a fitted learner computes, scaling folded into its weights; None if it is no MLP.

    Understood are :class:`BackpropMLPRegressor` and scikit-learn's ``MLPRegressor`` of so many
    outputs, behind affine transformers in a ``Pipeline`` and inside ``TransformedTargetRegressor``
    with such a one. Subclasses of them are not: nobody knows what they compute.

    Parameters
    ----------
    learner : regressor
    n_outputs : int, default=1
    centre : ndarray of shape (n_inputs,), default=None
        A point in the middle of the inputs. Behind transformers the MLP takes inputs less this
        point: a mean that is large against the spread would otherwise cancel in the first layer,
        where it was folded in.
    """
    if type(learner) is TransformedTargetRegressor:
        return _unscaled_target(learner, n_outputs, centre)
    if type(learner) is Pipeline:
        return _behind_transformers(learner, n_outputs, centre)
    if type(learner) not in (BackpropMLPRegressor, MLPRegressor) or learner.n_outputs_ != n_outputs:
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


def _arrays(coefs, intercepts, hidden: str, output: str, centre=None) -> MLPArrays:
    layout = ParameterLayout((len(coefs[0]), *(coef.shape[1] for coef in coefs)))
    return MLPArrays(layout, layout.flatten(coefs, intercepts), hidden, output, centre)


def _behind_transformers(pipeline: Pipeline, n_outputs: int, centre) -> MLPArrays | None:
    transformers = [step for _, step in pipeline.steps[:-1] if step not in (None, "passthrough")]
    if not transformers:
        return as_mlp(pipeline[-1], n_outputs, centre)
    if not all(_is_affine(transformer) for transformer in transformers):
        return None
    if centre is not None:
        centre = _rounded(centre)
    n_features = transformers[0].n_features_in_
    matrix, point = (
        np.eye(n_features),
        np.zeros((1, n_features)) if centre is None else centre[None],
    )
    for transformer in transformers:
        matrix = matrix @ _linear_part(transformer, "transform")
        point = transformer.transform(point)
    mlp = as_mlp(pipeline[-1], n_outputs, point[0])
    if mlp is None:
        return None
    if mlp.centre is not None:
        point = point - mlp.centre
    coefs, intercepts = mlp.layout.coefs(mlp.params), mlp.layout.intercepts(mlp.params)
    first, bias = matrix @ coefs[0], point[0] @ coefs[0] + intercepts[0]
    return _arrays([first, *coefs[1:]], [bias, *intercepts[1:]], mlp.hidden, mlp.output, centre)


def _unscaled_target(
    learner: TransformedTargetRegressor, n_outputs: int, centre
) -> MLPArrays | None:
    mlp, transformer = as_mlp(learner.regressor_, n_outputs, centre), learner.transformer_
    if mlp is None or not _is_affine(transformer):
        return None
    scale = _linear_part(transformer, "inverse_transform")
    offset = transformer.inverse_transform(np.zeros((1, n_outputs)))[0]
    coefs, intercepts = mlp.layout.coefs(mlp.params), mlp.layout.intercepts(mlp.params)
    if mlp.output == "identity":
        coefs[-1], intercepts[-1] = coefs[-1] @ scale, intercepts[-1] @ scale + offset
        return _arrays(coefs, intercepts, mlp.hidden, mlp.output, mlp.centre)
    if (len(coefs) > 1 and mlp.hidden != mlp.output) or mlp.output not in HIDDEN_ACTIVATIONS:
        return None
    # Bent outputs become one more hidden layer, and the scaling the layer after it.
    return _arrays([*coefs, scale], [*intercepts, offset], mlp.output, "identity", mlp.centre)


def _is_affine(transformer) -> bool:
    return type(transformer) in _OFFSETS and not getattr(transformer, "clip", False)


def _linear_part(transformer, name: str) -> np.ndarray:
    """The matrix A of X A + b, which a method computes: without b, beside which it might be lost."""
    linear, offset = copy.copy(transformer), _OFFSETS[type(transformer)]
    if offset is not None and getattr(linear, offset) is not None:
        setattr(linear, offset, np.zeros_like(getattr(linear, offset)))
    n_features = transformer.n_features_in_
    if name == "inverse_transform" and type(transformer) is PCA:
        n_features = transformer.n_components_
    return getattr(linear, name)(np.eye(n_features))


@np.errstate(over="ignore")
def _rounded(centre: np.ndarray) -> np.ndarray:
    """The nearest numbers that float32 has, so that in either precision the same is subtracted."""
    rounded = centre.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(rounded), rounded, centre)
