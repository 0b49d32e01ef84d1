"""The link scope, learned: an update in the link's own unit from what is known at the link."""

import numpy as np

from sklearn_metabp._kernels import LinkRule
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
from sklearn_metabp.learned.link import EPSILON, LinkHistory, LinkScope, check_link_inputs, codes_of
from sklearn_metabp.learned.model import ScopeModel, answer
from sklearn_metabp.update_rules import Adam


class LinkModel(ScopeModel):
    r"""``Δw = scale * unit**homogeneity * f(inputs)``; see :class:`LearnedUpdateRule`.

    Attributes
    ----------
    homogeneity : {0, 1}
    scale : float
    """

    def __init__(self, inputs):
        self.inputs = check_link_inputs(inputs)
        self._codes = codes_of(self.inputs)
        self._sees_units = bool({"activation", "delta"} & set(self.inputs))
        self._mlp: MLPArrays | None = None
        self.homogeneity, self.scale = 0, 1.0

    def sample(self, trace, max_rows, rng):
        """Inputs and unit of every link of every step, and its update."""
        return LinkScope().sample(trace, self.inputs, max_rows, rng)

    def takes(self, n_columns):
        """Take the inputs and the unit."""
        return n_columns == len(self.inputs) + 1

    def default_learner(self):
        """Eight relu units: they go on in a straight line beyond what they saw."""
        return BackpropMLPRegressor((8,), "relu", update_rule=Adam(learning_rate=0.005), alpha=0.0)

    def fit(self, X, y, learner, trace):
        """Choose the unit's exponent, then fit the learner on updates in their units."""
        X, unit, self.homogeneity = _split(X, y)
        self._ranges = InputRanges.of(X)
        self.scale = float(np.sqrt(np.mean((y / unit) ** 2))) or 1.0
        self.learner = learner.fit(X, y / unit / self.scale)
        self._mlp = as_mlp(self.learner)
        self.is_compiled = self._mlp is not None

    def predict(self, X):
        """Updates of links."""
        return self.learner.predict(X[:, :-1]) * X[:, -1] ** self.homogeneity * self.scale

    def explain(self, n_points):
        """Updates in the link's unit along every input, and the formula of a linear learner."""

        def predict(Z):
            return self.scale * self.learner.predict(Z)

        found = linear_terms(predict, self._ranges)
        unit = "rms_0.9" if self.homogeneity else "1"
        formula, coefficients = None, {}
        if found is not None:
            values, constant = found
            coefficients = {name: float(v) for name, v in zip(self.inputs, values, strict=True)}
            values, constant = that_count(values, constant, self._ranges)
            terms = dict(self._symbol(name, value) for name, value in zip(self.inputs, values, strict=True))
            formula = formula_of("Δw", terms, constant, "rms_0.9" if self.homogeneity else "")
        typical = dict(zip(self.inputs, self._ranges.typical.tolist(), strict=True))
        found_effects = effects(predict, self.inputs, self._ranges, n_points)
        return RuleExplanation("link", self.inputs, unit, formula, coefficients, typical, found_effects)

    def _symbol(self, name: str, coefficient: float) -> tuple[str, float]:
        """How a term reads once its unit is multiplied in: the gradient is minus delta times x."""
        if self.homogeneity and name.endswith("/rms_0.9"):
            known = name.removesuffix("/rms_0.9")
            return ("δ·x", -coefficient) if known == "gradient" else (known, coefficient)
        return (f"{name}·rms_0.9" if self.homogeneity else name), coefficient

    def init_state(self, layout):
        """Nothing seen at any link yet."""
        return {"history": LinkHistory(layout)}

    def compute_update(self, step, state):
        """Every link's update, compiled where the learner is an MLP."""
        history: LinkHistory = state["history"]
        if self._mlp is None:
            return self._predict_updates(step, history)
        if history.bound is None or history.bound[0] is not step:
            history.bound = step, self._kernel(step, history, self._mlp)
        history.n_steps += 1
        if self._sees_units:
            history.bound[1].update(history.n_steps, *history.units_at(step, self.inputs))
        else:
            history.bound[1].update(history.n_steps)
        return step.updates

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
            self.homogeneity,
        )

    @np.errstate(all="ignore")  # what overflows is found out by the loop
    def _predict_updates(self, step, history: LinkHistory) -> np.ndarray:
        matrix = history.matrix(step, self.inputs, self._codes)
        updates = answer(self.predict, matrix, step.updates.shape)
        step.updates[...] = np.where(history.history[4] == 0, 0, updates)
        return step.updates


def _split(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Inputs, unit to the power of the homogeneity, and the homogeneity that suits y better."""
    X, unit = X[:, :-1], X[:, -1]
    unit = np.where(unit > 0, unit, 1)
    explained = [_linear_r2(X, y / unit**homogeneity) for homogeneity in (0, 1)]
    homogeneity = int(explained[1] > explained[0])
    return X, unit**homogeneity, homogeneity


def _linear_r2(X: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of y that is linear in X."""
    spread = y - y.mean()
    if not spread.any():
        return 0.0
    centred = X - X.mean(axis=0)
    weights = np.linalg.lstsq(centred, spread, rcond=None)[0]
    return 1 - np.sum((spread - centred @ weights) ** 2) / np.sum(spread**2)
