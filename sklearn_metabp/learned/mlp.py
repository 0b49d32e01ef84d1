"""The arrays of one small MLP: made from a fitted learner, and turned into one again."""

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sklearn_metabp.estimators import BackpropMLPRegressor, members_of
from sklearn_metabp.network import (
    HIDDEN_ACTIVATIONS,
    OUT_ACTIVATIONS,
    Network,
    ParameterLayout,
    resolve_initializer,
)

# Functions of one neuron each.
ELEMENTWISE_OUTPUTS = tuple(name for name in OUT_ACTIVATIONS if name != "softmax")

# Transformers that compute X A + b and nothing else, and the attribute that is zero where b is.
_OFFSETS: dict[type, str | None] = {
    StandardScaler: "mean_",
    MaxAbsScaler: None,
    MinMaxScaler: "min_",
    RobustScaler: "center_",
    PCA: "mean_",
}


@dataclass(frozen=True)
class MLPArrays:
    """A multilayer perceptron in the form that kernels take.

    Attributes
    ----------
    layout : ParameterLayout
    params : ndarray of shape (n_params,)
    hidden, output : str
        Activation functions.
    centre : ndarray of shape (n_inputs,) or None
        Point that is subtracted from the inputs before the first layer, the same numbers in float32
        and float64; None if nothing is subtracted.
    """

    layout: ParameterLayout
    params: np.ndarray
    hidden: str
    output: str
    centre: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Without caches: a pickle does not depend on earlier calls.
        return {
            name: self.__dict__[name] for name in ("layout", "params", "hidden", "output", "centre")
        }

    @cached_property
    def sizes(self) -> np.ndarray:
        """Numbers of neurons of every layer, int64."""
        return np.array(self.layout.layer_sizes, dtype=np.int64)

    @cached_property
    def _float32(self) -> np.ndarray:
        return self.params.astype(np.float32)

    def params_as(self, dtype: DTypeLike) -> np.ndarray:
        """Return the parameters in float32 or float64."""
        return self._float32 if dtype == np.float32 else self.params

    def centre_as(self, dtype: DTypeLike) -> np.ndarray | None:
        """Return the centre in float32 or float64."""
        return None if self.centre is None else self.centre.astype(dtype)


def as_mlp(learner: Any, n_outputs: int = 1, centre: np.ndarray | None = None) -> MLPArrays | None:
    """Return the MLP that a fitted learner computes, scaling folded into its weights.

    The learner may be one network of :class:`BackpropMLPRegressor`, or scikit-learn's
    ``MLPRegressor``, with the given number of outputs. It may be behind affine transformers in a
    ``Pipeline`` and inside a ``TransformedTargetRegressor`` with an affine transformer. The result
    is None for all others, and for subclasses of these, which may compute anything.

    Parameters
    ----------
    learner : regressor
    n_outputs : int, default=1
    centre : ndarray of shape (n_inputs,), default=None
        A point in the middle of the inputs. Behind transformers, the MLP takes inputs minus this
        point. Otherwise a mean that is much larger than the spread would be folded into the first
        layer, where rounding errors cancel digits.
    """
    if type(learner) is TransformedTargetRegressor:
        return _unscaled_target(learner, n_outputs, centre)
    if type(learner) is Pipeline:
        return _behind_transformers(learner, n_outputs, centre)
    if type(learner) not in (BackpropMLPRegressor, MLPRegressor) or learner.n_outputs_ != n_outputs:
        return None
    if isinstance(learner, BackpropMLPRegressor) and (
        len(members_of(learner)) > 1 or learner.layout_.extras
    ):
        return None
    functions = _hidden_functions(learner)
    if learner.out_activation_ not in ELEMENTWISE_OUTPUTS or len(set(functions)) > 1:
        return None
    hidden = functions[0] if functions else "identity"
    return _arrays(learner.coefs_, learner.intercepts_, hidden, learner.out_activation_)


def _hidden_functions(learner: BackpropMLPRegressor | MLPRegressor) -> tuple[str, ...]:
    """Return the activation function of every hidden layer."""
    if isinstance(learner, BackpropMLPRegressor):
        return learner.network_.activations
    return (learner.activation,) * (len(learner.coefs_) - 1)


def _arrays(
    coefs: list[np.ndarray],
    intercepts: list[np.ndarray],
    hidden: str,
    output: str,
    centre: np.ndarray | None = None,
) -> MLPArrays:
    layout = ParameterLayout((len(coefs[0]), *(coef.shape[1] for coef in coefs)))
    return MLPArrays(layout, layout.flatten(coefs, intercepts), hidden, output, centre)


def _behind_transformers(
    pipeline: Pipeline, n_outputs: int, centre: np.ndarray | None
) -> MLPArrays | None:
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
    learner: TransformedTargetRegressor, n_outputs: int, centre: np.ndarray | None
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
    # Outputs that are not linear become one more hidden layer, and the scaling the layer after it.
    return _arrays([*coefs, scale], [*intercepts, offset], mlp.output, "identity", mlp.centre)


def _is_affine(transformer: Any) -> bool:
    return type(transformer) in _OFFSETS and not getattr(transformer, "clip", False)


def _linear_part(transformer: Any, name: str) -> np.ndarray:
    """Return the matrix A of a method that computes X A + b; a large b would round A away."""
    linear, offset = copy.copy(transformer), _OFFSETS[type(transformer)]
    if offset is not None and getattr(linear, offset) is not None:
        setattr(linear, offset, np.zeros_like(getattr(linear, offset)))
    n_features = transformer.n_features_in_
    if name == "inverse_transform" and type(transformer) is PCA:
        n_features = transformer.n_components_
    return getattr(linear, name)(np.eye(n_features))


@np.errstate(over="ignore")
def _rounded(centre: np.ndarray) -> np.ndarray:
    """Round to float32 numbers, so that both precisions subtract the same."""
    rounded = centre.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(rounded), rounded, centre)


def are_layer_sizes(value: Any) -> bool:
    """Return whether a value from a file can be the layer sizes of a network."""
    is_list = isinstance(value, list) and 2 <= len(value) <= 10_000
    return is_list and all(type(size) is int and 0 < size < 2**31 for size in value)


def make_learner(mlp: MLPArrays, dtype: np.dtype) -> BackpropMLPRegressor | Pipeline:
    """Return an MLP as a fitted regressor, behind a scaler that subtracts its centre."""
    if mlp.centre is not None:
        scaler = StandardScaler(with_std=False)
        scaler.mean_, scaler.var_, scaler.scale_ = mlp.centre, None, None
        scaler.n_features_in_, scaler.n_samples_seen_ = len(mlp.centre), 1
        return make_pipeline(scaler, make_learner(replace(mlp, centre=None), dtype))
    sizes = mlp.layout.layer_sizes
    layout = ParameterLayout(sizes, dtype)
    learner = BackpropMLPRegressor(sizes[1:-1], mlp.hidden, out_activation=mlp.output, alpha=0.0)
    learner.layout_ = layout
    learner.params_ = mlp.params
    hidden = (mlp.hidden,) * (len(sizes) - 2)
    learner.network_ = Network(layout, hidden, mlp.output, learner.loss, learner.alpha)
    learner.out_activation_ = mlp.output
    learner.n_features_in_, learner.n_outputs_, learner.n_layers_ = sizes[0], sizes[-1], len(sizes)
    return learner


def draw_mlp(template: Any, n_inputs: int, n_outputs: int, rng: np.random.RandomState) -> MLPArrays:
    """Draw an MLP with the hidden layers, functions and initialiser of an unfitted regressor.

    Parameters
    ----------
    template : regressor
        A :class:`BackpropMLPRegressor`, or one that holds one; scalers around it are left out.
    n_inputs, n_outputs : int
    rng : RandomState

    Raises
    ------
    ValueError
        If there is no such regressor, or its functions are not those of an MLP for kernels.
    """
    candidates = (template, *template.get_params().values())
    found = [one for one in candidates if type(one) is BackpropMLPRegressor]
    if not found:
        raise ValueError(
            f"a rule starts as a BackpropMLPRegressor, and its learner is {template!r}."
        )
    regressor = found[0]
    hidden = regressor.activation
    output = "identity" if regressor.out_activation == "auto" else regressor.out_activation
    if hidden not in HIDDEN_ACTIVATIONS or output not in ELEMENTWISE_OUTPUTS:
        raise ValueError(
            f"the hidden layers must have one activation function, of {list(HIDDEN_ACTIVATIONS)}, "
            f"and the outputs one of {list(ELEMENTWISE_OUTPUTS)}, got {hidden!r} and {output!r}."
        )
    sizes = tuple(np.atleast_1d(np.array(regressor.hidden_layer_sizes, dtype=int)).tolist())
    layout = ParameterLayout((n_inputs, *sizes, n_outputs))
    functions = (hidden,) * max(1, len(sizes))
    params = resolve_initializer(regressor.init)(layout, functions, rng)
    return MLPArrays(layout, params, hidden, output)
