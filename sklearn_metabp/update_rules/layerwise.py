"""Learning rates, decay and freezing of single arrays of parameters."""

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import layerwise_step
from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.network import ParameterLayout, Step, StepView, Tensor
from sklearn_metabp.update_rules.decaying import share_of_epochs
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.wrapper import WrapperRule

# A layer by its number, a matrix or vector by its name, or all matrices or all vectors.
Selector = int | str
PerTensor = Mapping[Selector, float] | Callable[[Tensor], float]
_WEIGHTS, _BIASES = "coefs_", "intercepts_"


class Layerwise(WrapperRule):
    r"""Wrapper: each array of parameters has its own learning rate and decay.

    Each weight matrix, each bias vector and each array of further parameters has a factor f, and
    decays in T epochs of M steps each. With the update :math:`\Delta` of the wrapped rule:

    .. math::
        \Delta w = f \Delta - \left( 1 - e^{-1 / (T M)} \right) w

    The parameters below select arrays by keys. A key is

    - the number of a layer, which selects its matrix, its bias vector and its further parameters. 0
      is the first layer after the inputs, -1 is the output layer, -2 is the layer before it;
    - ``"coefs_[0]"`` or ``"intercepts_[0]"``, which selects one matrix or vector;
    - ``"coefs_"`` or ``"intercepts_"``, which selects all matrices or all vectors;
    - the name of further parameters in ``layout_.extras``, with or without a number in brackets.

    Parameters
    ----------
    rule : str or UpdateRule, default="adam"
        The rule that computes the updates. If it has weight decay, the factor scales this decay
        too.
    rates : mapping or callable, default=None
        Factors f by keys, each at least 0, for example ``{0: 0.1, "intercepts_": 2.0}``. Without a
        key the factor is 1. Several keys for one matrix multiply their factors. A function gets a
        named tuple with ``name``, ``layer``, ``is_weights``, ``is_bias``, ``is_extra``, ``slice``
        and ``shape``, and returns the factor. The shape is (fan_in, fan_out) for a matrix and
        (fan_out,) for a bias vector.
    decay_epochs : float, mapping or callable, default=None
        Number of epochs T, greater than 0, in which the decay, without gradients, would divide a
        weight by e. Infinity means no decay. A number applies to all matrices only. With a mapping,
        parameters without a key do not decay. If several keys select one matrix, their 1 / T are
        added. A function is called as for ``rates``.
    cautious : bool, default=False
        If True, a weight decays only in steps whose update, without the decay, does not make it
        larger. This applies only to the decay of ``decay_epochs``.
    frozen : iterable of int and str, default=()
        Keys of matrices and vectors that do not change. The wrapped rule gets a gradient of zero
        for them, so they do not count in the norm of :class:`Clipped` or the distance of
        :class:`Prodigy`.

    See Also
    --------
    Clipped : Wrapper that limits the norm of the gradient.
    SGD : Step along the negative gradient, with or without momentum.

    Notes
    -----
    The examples have two recipes. In fine-tuning each layer has a lower learning rate than the next
    layer, in the example half of it, and the first layers may be frozen. In the maximal update
    parametrization, a learning rate that was tuned with 64 neurons per layer is also good for wider
    layers: with Adam, the learning rates of the matrices after hidden layers are proportional to
    1 / fan_in. (The parametrization also starts with smaller weights of the output layer, which a
    rule cannot set.)

    References
    ----------
    J. Howard and S. Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018),
    section 3.2. G. Yang et al., "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot
    Hyperparameter Transfer" (2022), table 3. For the unit of the decay see :class:`AdamW`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import BackpropMLPClassifier, Layerwise
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BackpropMLPClassifier(
    ...     (32,), "tanh", warm_start=True, tol=0.005, random_state=0
    ... )
    >>> first = model.fit(scale(X), y).coefs_[0].copy()
    >>> model = model.set_params(update_rule=Layerwise("adam", rates={-1: 2.0}, frozen=[0]))
    >>> print("change of layer 0:", abs(model.fit(scale(X), y).coefs_[0] - first).max())
    change of layer 0: 0.0

    The two recipes of the notes, for a network with two hidden layers, whose output layer is
    number 2:

    >>> def halve(tensor):
    ...     return 0.5 ** (2 - tensor.layer)
    >>> def maximal_updates(tensor):
    ...     return 1.0 if tensor.is_bias or tensor.layer == 0 else 64 / tensor.shape[0]
    >>> rules = Layerwise(rates=halve, decay_epochs=50), Layerwise(rates=maximal_updates)
    """

    alters_updates = True

    _parameter_constraints: dict = {
        "rule": "no_validation",  # resolve_update_rule gives better errors
        "rates": [Mapping, callable, None],
        "decay_epochs": [Interval(Real, 0, None, closed="right"), Mapping, callable, None],
        "cautious": ["boolean"],
        "frozen": ["array-like", set, frozenset],
    }

    def __init__(
        self,
        rule: str | TrainingRule | FrozenEstimator = "adam",
        rates: PerTensor | None = None,
        decay_epochs: float | PerTensor | None = None,
        cautious: bool = False,
        frozen: Iterable[Selector] = (),
    ) -> None:
        self.rule = rule
        self.rates = rates
        self.decay_epochs = decay_epochs
        self.cautious = cautious
        self.frozen = frozen

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the state of the wrapped rule. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or a key selects nothing in the network.
        TypeError
            If a wrapped rule is :class:`Safeguarded`, :class:`Averaged` or :class:`ScheduleFree`.
            These must be around this rule.
        """
        self._validate_params()
        self._factors(layout)
        self._speeds(layout)
        return {"rule": self.inner_state(layout)}

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the wrapped rule, scaled. See :meth:`UpdateRule.compute_update`."""
        return Layerwise.bind(self, step, state)()

    def bind(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Expand the factors to all parameters once. See :meth:`UpdateRule.bind`."""
        layout, params, updates = step.layout, step.params, step.updates
        factors, shares = self._expand(step)
        bind = self._bind_thawed if self._frozen(layout) else self.bind_inner
        inner_update = bind(step, state)

        def compute_update() -> np.ndarray:
            change = inner_update()
            if change is not updates:  # it may be an array of the state of the wrapped rule
                updates[...] = change
            layerwise_step(params, factors, shares, updates, self.cautious)
            return updates

        return compute_update

    def operations(self, step: Step, state: dict[str, Any]) -> list[Operation] | None:
        """Return the operations and the scaling. See :meth:`UpdateRule.operations`.

        None if parameters are frozen, because the wrapped rule then gets other gradients.
        """
        within = None if self._frozen(step.layout) else self.inner_operations(step, state)
        if within is None:
            return None
        arrays = step.params, *self._expand(step), step.updates
        return [
            *within,
            Operation(layerwise_step, arrays, lambda n: (self.cautious,), steady=True),
        ]

    def _expand(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """Return the factor of the update and the share that decays, of every parameter."""
        layout = step.layout
        factors, shares = layout.zeros(), layout.zeros()
        by_tensor = zip(layout.tensors, self._factors(layout), self._speeds(layout), strict=True)
        for tensor, factor, speed in by_tensor:
            factors[tensor.slice] = factor
            shares[tensor.slice] = share_of_epochs(1 / speed if speed else math.inf, step)
        return factors, shares

    def _bind_thawed(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the wrapped rule to gradients that are zero where the parameters are frozen."""
        layout, view = step.layout, StepView(step, "gradients")
        gradients, inner_update = view.buffers["gradients"], self.bind_inner(view, state)
        is_thawed = np.ones(layout.n_params, bool)
        for position in self._frozen(layout):
            is_thawed[layout.tensors[position].slice] = False

        def compute_update() -> np.ndarray:
            view.refresh()
            np.copyto(gradients, step.gradients, where=is_thawed)
            return inner_update()

        return compute_update

    def _frozen(self, layout: ParameterLayout) -> set[int]:
        """Return the positions of the frozen tensors in the layout."""
        return {p for key in self.frozen for p in positions_of(key, layout, "frozen")}

    def _factors(self, layout: ParameterLayout) -> list[float]:
        """Return the factor of the update of every tensor, 0 for frozen tensors."""
        frozen = self._frozen(layout)
        values = values_of(self.rates, layout, "rates", Interval(Real, 0, None, closed="left"))
        return [0.0 if p in frozen else math.prod(found) for p, found in enumerate(values)]

    def _speeds(self, layout: ParameterLayout) -> list[float]:
        """Return 1 / T of every tensor, 0 without decay."""
        frozen, given = self._frozen(layout), self.decay_epochs
        if not (given is None or callable(given) or isinstance(given, Mapping)):
            given = {_WEIGHTS: given}
        values = values_of(given, layout, "decay_epochs", Interval(Real, 0, None, closed="right"))
        return [
            0.0 if p in frozen else math.fsum(1 / n_epochs for n_epochs in found)
            for p, found in enumerate(values)
        ]


def values_of(
    given: PerTensor | None, layout: ParameterLayout, parameter: str, range_: Interval
) -> list[list[float]]:
    """Return the values that a mapping or function has for every tensor of a layout.

    Raises
    ------
    ValueError
        If a key selects nothing in the layout, or a value is out of range.
    """
    values: list[list[float]] = [[] for _ in layout.tensors]
    if callable(given):
        values = [[given(tensor)] for tensor in layout.tensors]
    else:
        for key, value in (given or {}).items():
            for position in positions_of(key, layout, parameter):
                values[position].append(value)
    for tensor, found in zip(layout.tensors, values, strict=True):
        for value in found:
            if not range_.is_satisfied_by(value):
                raise ValueError(
                    f"{parameter} has {value!r} for {tensor.name}, which must be {range_}."
                )
    return values


def positions_of(key: object, layout: ParameterLayout, parameter: str) -> list[int]:
    """Return the positions of the tensors that a key selects.

    Raises
    ------
    ValueError
        If the key selects nothing.
    """
    n_layers = len(layout.layer_sizes) - 1
    names = [tensor.name for tensor in layout.tensors]
    if isinstance(key, str):
        found = [p for p, name in enumerate(names) if key in (name, name.partition("[")[0])]
        hint = did_you_mean(key, [_WEIGHTS, _BIASES, *names])
    else:
        is_number = isinstance(key, Integral) and not isinstance(key, bool)
        layer = key + n_layers if is_number and key < 0 else key  # type: ignore[operator]
        found = [p for p, t in enumerate(layout.tensors) if is_number and t.layer == layer]
        hint = ""
    if not found:
        raise ValueError(
            f"{parameter} has the key {key!r}, but this network has layers 0 to {n_layers - 1} "
            f"(or -{n_layers} to -1), {_WEIGHTS!r}, {_BIASES!r}, and {', '.join(names)}.{hint}"
        )
    return found
