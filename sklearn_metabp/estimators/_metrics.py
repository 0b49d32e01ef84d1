"""The metric behind a scorer: its options, and advice when it fails."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from sklearn_metabp.targets import Targets
from sklearn_metabp.targets.labels import abbreviate


def option_names(scorer: Callable) -> set[str]:
    """Return the parameters of a scorer or of its metric, with ``**`` if it accepts any name."""
    try:
        parameters = signature(getattr(scorer, "_score_func", scorer)).parameters.values()
    except ValueError:  # a builtin without a signature
        return set()
    return {"**" if p.kind is Parameter.VAR_KEYWORD else p.name for p in parameters}


def option(scorer: Callable, name: str) -> Any:
    """Return the value of an option of the scorer's metric, or None if there is no such option."""
    options = getattr(scorer, "_kwargs", {})
    if name in options or not hasattr(scorer, "_score_func") or name not in option_names(scorer):
        return options.get(name)
    default = signature(scorer._score_func).parameters[name].default
    return None if default is Parameter.empty else default


def scores_probabilities(scorer: Callable) -> bool:
    """Return whether the metric compares labels with probabilities, not with predictions."""
    return getattr(scorer, "_response_method", "predict") != "predict"


def advice(scoring: Any, scorer: Callable, targets: Targets, lacking: np.ndarray) -> str:
    """Return a remedy for a scorer that failed, by its metric and the labels.

    Parameters
    ----------
    scoring : str or callable
        The parameter of the user.
    scorer : callable
        The scorer of this parameter.
    targets : Targets
    lacking : ndarray
        Classes that no validation row has.
    """
    problem = explain_mismatch(scoring, scorer, targets)
    if problem is not None:
        return problem
    if getattr(scorer, "_response_method", None) == "decision_function":
        return (
            "There is no decision_function: make the scorer with response_method='predict_proba'."
        )
    if len(lacking):
        return (
            f"No validation row has one of the classes {abbreviate(lacking.tolist())}: pass "
            "X_val and y_val with all classes, raise validation_fraction, or use another scoring."
        )
    return "Use another scoring, or None for the measure of the method score."


def explain_mismatch(scoring: Any, scorer: Callable, targets: Any) -> str | None:
    """Return why a metric of scikit-learn cannot take labels of this kind, or None if it can."""
    metric = getattr(scorer, "_score_func", None)
    if metric is None or not metric.__module__.startswith("sklearn."):
        return None
    kind, average = targets.kind, option(scorer, "average")
    if kind == "multiclass-multioutput":
        return (
            "scikit-learn's metrics take one column of classes: pass a function of model, X and "
            "y, or scoring=None, which is the share of rows with all columns right."
        )
    if kind in ("multiclass", "multilabel-indicator") and average == "binary":
        name = scoring if isinstance(scoring, str) else metric.__name__.removesuffix("_score")
        return f"It is for two classes. Use an average of all classes: scoring='{name}_macro'."
    if kind in ("binary", "multiclass") and average == "samples":
        return (
            "It is for rows with several labels each. Use another average, "
            "such as 'macro' or 'weighted'."
        )
    if kind == "multiclass" and option(scorer, "multi_class") == "raise":
        return "It is for two classes. Use scoring='roc_auc_ovr' or 'roc_auc_ovo'."
    if kind == "binary" and _has_no_positive_class(scorer, targets.classes):
        classes = targets.classes.tolist()
        return (
            f"None of the classes {abbreviate(classes)} is the positive class of this metric "
            f"(pos_label is {option(scorer, 'pos_label')!r}): pass "
            f"scoring=make_scorer({metric.__name__}, pos_label={classes[-1]!r}), with the "
            "scorer's other options."
        )
    return None


def _has_no_positive_class(scorer: Callable, classes: np.ndarray) -> bool:
    average, pos_label = option(scorer, "average"), option(scorer, "pos_label")
    if "pos_label" not in option_names(scorer) or len(classes) < 2:
        return False
    if pos_label is None:  # the Brier score then takes 0 and 1
        return average is None and classes.dtype.kind not in "biuf"
    return pos_label not in classes.tolist() and (
        average in (None, "binary") or scores_probabilities(scorer)
    )
