"""The steps of a teacher along the inputs of a learned rule."""

import numpy as np
from sklearn.datasets import make_classification

from sklearn_metabp.estimators import BackpropMLPClassifier
from sklearn_metabp.learned import LearnedUpdateRule, RuleExplanation
from sklearn_metabp.tracing import Trace, TraceRecorder
from sklearn_metabp.update_rules import UpdateRule

# Running means of decay 0.9 have warmed up by then.
_FIRST_STEP = 60
_MIN_R2 = 0.999
_MIN_RANGE = 0.01


def teacher_effects(
    teacher: UpdateRule, rule: LearnedUpdateRule, explanation: RuleExplanation
) -> dict[str, np.ndarray]:
    """Compute the teacher's predictions along every input, in the rule's normalizer.

    The other inputs are at their medians.

    A small training under the teacher is recorded, and a linear model is fitted to it. The teacher
    must be linear in the inputs: plain backpropagation, momentum and Adam are in those of a link,
    and rule (6) is in those of a message.

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
    scope = rule.fitted_scope_
    if scope.no_teacher_because is not None:
        raise ValueError(scope.no_teacher_because)
    trace = _record(teacher)
    X = scope.features(trace)
    y = scope.targets(trace)
    n_inputs = len(rule.inputs_)
    normalizer = scope.normalizer_at(X)
    kept = np.abs(normalizer) > np.finfo(np.float32).tiny  # a stride is tiny before the first step
    kept &= (np.abs(X[:, :n_inputs]) < 10).all(axis=1)  # the inputs are cut off at 10
    Z, y = X[kept, :n_inputs], y[kept] / normalizer[kept]
    # An input that hardly varies there, as a warm-up, has no slope that could be read.
    Z = np.where(np.ptp(Z, axis=0) > _MIN_RANGE, Z, 0)
    columns = np.column_stack([Z, np.ones(len(Z))])
    terms, *_ = np.linalg.lstsq(columns, y, rcond=None)
    r2 = 1 - np.sum((columns @ terms - y) ** 2) / max(
        np.sum((y - y.mean()) ** 2), np.finfo(float).tiny
    )
    if r2 < _MIN_R2:
        raise ValueError(
            f"the step of {teacher!r} in the rule's normalizer, {explanation.normalizer}, is not "
            f"linear in the inputs {list(rule.inputs_)} (R² {r2:.3f}), so it cannot be drawn "
            f"beside: leave teacher=None."
        )
    typical = np.array([explanation.typical[name] for name in explanation.inputs])
    at_typical = float(typical @ terms[:-1] + terms[-1])
    return {
        name: at_typical + terms[position] * (explanation.effects[name][0] - typical[position])
        for position, name in enumerate(explanation.inputs)
    }


def _record(teacher: UpdateRule) -> Trace:
    """Record a training of 120 steps, and return the later ones."""
    X, y = make_classification(96, 6, n_informative=4, n_classes=3, random_state=0)
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (6, 5), "tanh", update_rule=teacher, alpha=0.0, batch_size=16, max_iter=20
    )
    model.set_params(n_iter_no_change=np.inf, random_state=0).set_callbacks(recorder).fit(X, y)
    return recorder.trace_[_FIRST_STEP:]
