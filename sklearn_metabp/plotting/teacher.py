"""The effects of the inputs of a learned rule on the update of its teacher."""

from typing import Any

import numpy as np
from sklearn.datasets import make_classification

from sklearn_metabp.estimators import BackpropMLPClassifier
from sklearn_metabp.tracing import Trace, TraceRecorder

# Running means of decay 0.9 have warmed up by then.
_FIRST_STEP = 60
_MIN_R2 = 0.999
_MIN_RANGE = 0.01


def teacher_effects(teacher: Any, rule: Any, explanation: Any) -> dict[str, np.ndarray]:
    """Compute the teacher's update along every input, with the other inputs at their medians.

    It is measured in what the rule's updates are measured in. A small training under the teacher is
    recorded, and a linear model is fitted to it. The teacher must be linear in the inputs: plain
    backpropagation, momentum and Adam are in those of a link, and rule (6) is in those of a
    message.

    Parameters
    ----------
    teacher : UpdateRule
    rule : LearnedUpdateRule
        Fitted.
    explanation : RuleExplanation
        Explanation of the rule.

    Returns
    -------
    effects : dict of str to ndarray of shape (n_points,)
        At the values of ``explanation.effects``.

    Raises
    ------
    ValueError
        If the teacher's step is not linear in the inputs.
    """
    if explanation.scope == "network":
        raise ValueError(
            "with scope='network' no teacher can be drawn, because no update is a function of "
            "one input of a "
            "pattern: leave teacher=None."
        )
    trace = _record(teacher)
    X, y = (
        trace.features(explanation.scope, list(rule.inputs_)),
        trace.targets_of(explanation.scope),
    )
    n_inputs = len(rule.inputs_)
    # Of a link the root mean square and the stride, of a message its own unit.
    column = {"1": None, "stride": n_inputs + 1}.get(explanation.unit, n_inputs)
    unit = np.ones(len(X)) if column is None else X[:, column]
    kept = (np.abs(unit) > np.finfo(np.float32).tiny) & (
        X[:, n_inputs] != 0
    )  # a stride has been taken
    kept &= (np.abs(X[:, :n_inputs]) < 10).all(axis=1)  # the inputs are cut off at 10
    Z, y = X[kept, :n_inputs], y[kept] / unit[kept]
    # What hardly varies there, as what tells of the warming up, has no slope to be read.
    Z = np.where(np.ptp(Z, axis=0) > _MIN_RANGE, Z, 0)
    columns = np.column_stack([Z, np.ones(len(Z))])
    terms, *_ = np.linalg.lstsq(columns, y, rcond=None)
    r2 = 1 - np.sum((columns @ terms - y) ** 2) / max(
        np.sum((y - y.mean()) ** 2), np.finfo(float).tiny
    )
    if r2 < _MIN_R2:
        raise ValueError(
            f"the step of {teacher!r} in the rule's unit, {explanation.unit}, is not linear in "
            "the inputs "
            f"{list(rule.inputs_)} (R² {r2:.3f}), so it cannot be drawn beside: leave teacher=None."
        )
    typical = np.array([explanation.typical[name] for name in explanation.inputs])
    at_typical = float(typical @ terms[:-1] + terms[-1])
    return {
        name: at_typical + terms[position] * (explanation.effects[name][0] - typical[position])
        for position, name in enumerate(explanation.inputs)
    }


def _record(teacher: Any) -> Trace:
    """Record a training of 120 steps, and return the later ones."""
    X, y = make_classification(96, 6, n_informative=4, n_classes=3, random_state=0)
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (6, 5), "tanh", update_rule=teacher, alpha=0.0, batch_size=16, max_iter=20
    )
    model.set_params(n_iter_no_change=np.inf, random_state=0).set_callbacks(recorder).fit(X, y)
    return recorder.trace_[_FIRST_STEP:]
