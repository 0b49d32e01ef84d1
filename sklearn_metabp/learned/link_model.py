"""The link scope, learned: an update in the link's own unit from what is known at the link."""

from functools import partial

import numpy as np

from sklearn_metabp._kernels.scopes import LINK_NORMALIZERS, SQUARE_999_ROW, LinkRule
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.compiled import MLPArrays, as_mlp
from sklearn_metabp.learned.explain import (
    InputRanges,
    RuleExplanation,
    effects,
    formula_of,
    linear_terms,
    that_count,
)
from sklearn_metabp.learned.link import (
    EPSILON,
    LinkHistory,
    LinkScope,
    check_link_inputs,
    codes_of,
    link_state,
    n_columns,
    remembered,
)
from sklearn_metabp.learned.model import ScopeModel, answer
from sklearn_metabp.update_rules import Adam

# A stride not above it stands for none yet, in either precision.
_NO_STRIDE = float(np.finfo(np.float32).tiny)


class LinkModel(ScopeModel):
    r"""``Δw = scale * unit * f(inputs)``; see :class:`LearnedUpdateRule`.

    Attributes
    ----------
    unit : {"1", "rms_0.9", "stride"}
    scale : float
    first_step : float
        In units of its stride, what a link takes that has taken no step yet.
    """

    def __init__(self, inputs):
        self.inputs = check_link_inputs(inputs)
        self._codes = codes_of(self.inputs)
        self._n_columns = n_columns(self._codes)
        self._sees_units = bool({"activation", "delta"} & set(self.inputs))
        self._mlp: MLPArrays | None = None
        self.unit, self.scale, self.first_step = "1", 1.0, 0.0

    def sample(self, trace, max_rows, rng):
        """Inputs and units of every link of every step, and its update."""
        return LinkScope().sample(trace, self.inputs, max_rows, rng)

    def takes(self, n_columns):
        """Take the inputs and the units."""
        return n_columns == self._n_columns

    def default_learner(self):
        """Eight relu units: they go on in a straight line beyond what they saw."""
        return BackpropMLPRegressor((8,), "relu", update_rule=Adam(learning_rate=0.005), alpha=0.0)

    def fit(self, X, y, learner, trace):
        """Choose the unit, then fit the learner on updates in it."""
        Z = X[:, : len(self.inputs)]
        self._ranges = InputRanges.of(Z)
        candidates = {
            name: self._unit_of(X, name) for name in LINK_NORMALIZERS[: 1 + X.shape[1] - Z.shape[1]]
        }
        explained = {
            name: _linear_r2(Z[has_unit], y[has_unit] / unit[has_unit])
            for name, (unit, has_unit) in candidates.items()
            if name != "stride" or _tells_sizes(unit[has_unit], y[has_unit])
        }
        self.unit = max(explained, key=explained.__getitem__)
        unit, has_unit = candidates[self.unit]
        if self.unit == "stride":
            first = np.abs(y[~has_unit & (y != 0)])
            self.first_step = float(np.median(first if len(first) else np.abs(unit[has_unit])))
            Z, y, unit = Z[has_unit], y[has_unit], unit[has_unit]
        self.scale = float(np.sqrt(np.mean((y / unit) ** 2))) or 1.0
        self.learner = learner.fit(Z, y / unit / self.scale)
        self._mlp = as_mlp(self.learner, centre=self._ranges.typical)
        self.is_compiled = self._mlp is not None

    def _unit_of(self, X: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The unit of every row, and whether the row has one; 1 stands in where a gradient is 0."""
        if name == "1":
            return np.ones(len(X)), np.ones(len(X), bool)
        if name == "stride":
            return X[:, -1], np.abs(X[:, -1]) > _NO_STRIDE
        unit = X[:, len(self.inputs)]
        return np.where(unit > 0, unit, 1), np.ones(len(X), bool)

    def predict(self, X):
        """Updates of links."""
        unit, has_unit = self._unit_of(X, self.unit)
        updates = self.learner.predict(X[:, : len(self.inputs)]) * unit * self.scale
        return np.where(has_unit, updates, self.first_step * np.sign(unit))

    def explain(self, n_points):
        """Updates in the link's unit along every input, and the formula of a linear learner."""

        def predict(Z):
            return self.scale * self.learner.predict(Z)

        found = linear_terms(predict, self._ranges)
        formula, coefficients = None, {}
        if found is not None:
            values, constant = found
            coefficients = {name: float(v) for name, v in zip(self.inputs, values, strict=True)}
            values, constant = that_count(values, constant, self._ranges)
            terms = dict(
                self._symbol(name, value) for name, value in zip(self.inputs, values, strict=True)
            )
            formula = formula_of("Δw", terms, constant, "" if self.unit == "1" else self.unit)
        typical = dict(zip(self.inputs, self._ranges.typical.tolist(), strict=True))
        found_effects = effects(predict, self.inputs, self._ranges, n_points)
        return RuleExplanation(
            "link", self.inputs, self.unit, formula, coefficients, typical, found_effects
        )

    def _symbol(self, name: str, coefficient: float) -> tuple[str, float]:
        """How a term reads once its unit is multiplied in: the gradient is minus delta times x."""
        if self.unit == "rms_0.9" and name.endswith("/rms_0.9"):
            known = name.removesuffix("/rms_0.9")
            return ("δ·x", -coefficient) if known == "gradient" else (known, coefficient)
        return (name if self.unit == "1" else f"{name}·{self.unit}"), coefficient

    def init_state(self, layout):
        """Nothing seen at any link yet."""
        return link_state(layout, self._codes)

    def state_key(self):
        """The scope, and what links remember: more of them where an input asks for it."""
        return type(self), remembered(self._codes)

    def bind(self, step, state):
        """Every link's update, compiled where the learner is an MLP."""
        history = LinkHistory(step.layout, self._codes, state)
        if self._mlp is None:
            return partial(self._predict_updates, step, history)
        update = self._kernel(step, history, self._mlp).update
        sees_units, updates = self._sees_units, step.updates

        def compute_update():
            if sees_units:
                update(history.next_step(), *history.units_at(step, self.inputs))
            else:
                update(history.next_step())
            return updates

        return compute_update

    def _kernel(self, step, history: LinkHistory, mlp: MLPArrays) -> LinkRule:
        return LinkRule(
            step.gradients,
            step.params,
            history.history,
            step.updates,
            history.sizes,
            self._codes,
            EPSILON,
            mlp.params_as(step.params.dtype),
            mlp.sizes,
            mlp.hidden,
            mlp.output,
            self.scale,
            LINK_NORMALIZERS.index(self.unit),
            self.first_step,
            mlp.centre_as(step.params.dtype),
        )

    @np.errstate(all="ignore")  # what overflows is found out by the loop
    def _predict_updates(self, step, history: LinkHistory) -> np.ndarray:
        matrix = history.matrix(step, self.inputs, self._codes)
        updates = answer(self.predict, matrix, step.updates.shape)
        step.updates[...] = np.where(history.history[SQUARE_999_ROW] == 0, 0, updates)
        history.remember(step.updates)
        return step.updates


def _tells_sizes(unit: np.ndarray, y: np.ndarray) -> bool:
    """Whether updates in the unit differ far less in size than updates do; those of one size do not.

    A rule that goes by its own last step adds up the errors of all steps before, which has to be
    worth it.
    """
    moved = y != 0
    if not moved.any():
        return False
    sizes, in_unit = np.log(np.abs(y[moved])), np.log(np.abs(y[moved] / unit[moved]))
    return in_unit.std() < sizes.std() / 2


def _linear_r2(X: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of y that is linear in X."""
    spread = y - y.mean()
    if not spread.any():
        return 0.0
    centred = X - X.mean(axis=0)
    weights = np.linalg.lstsq(centred, spread, rcond=None)[0]
    return 1 - np.sum((spread - centred @ weights) ** 2) / np.sum(spread**2)
