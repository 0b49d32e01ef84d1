"""The metric behind a scorer: its options, and what to do when it fails."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from sklearn_metabp.targets.labels import abbreviate


def option_names(scorer: Callable) -> set[str]:
    """Parameters of a scorer, or of the metric it was made from; ``**`` where it takes any."""
    try:
        parameters = signature(getattr(scorer, "_score_func", scorer)).parameters.values()
    except ValueError:  # a builtin does not tell
        return set()
    return {"**" if p.kind is Parameter.VAR_KEYWORD else p.name for p in parameters}


def option(scorer: Callable, name: str) -> Any:
    """What the scorer sets an option of its metric to, or the option's default; None where there is none."""
    options = getattr(scorer, "_kwargs", {})
    if name in options or not hasattr(scorer, "_score_func") or name not in option_names(scorer):
        return options.get(name)
    default = signature(scorer._score_func).parameters[name].default
    return None if default is Parameter.empty else default


def scores_probabilities(scorer: Callable) -> bool:
    """Whether the metric compares labels with probabilities, not with predicted labels."""
    return getattr(scorer, "_response_method", "predict") != "predict"


def advice(scoring: Any, scorer: Callable, targets: Any, lacking: np.ndarray) -> str:
    """What to do where a scorer failed, by what is known of its metric and of the labels.

    Parameters
    ----------
    scoring : str or callable
        What the user gave.
    scorer : callable
        The scorer that it is.
    targets : ClassTargets, MultiOutputTargets or NumberTargets
    lacking : ndarray
        Classes that the validation rows have no row of.
    """
    problem = why_labels_do_not_fit(scoring, scorer, targets)
    if problem is not None:
        return problem
    if getattr(scorer, "_response_method", None) == "decision_function":
        return (
            "There is no decision_function: make the scorer with response_method='predict_proba'."
        )
    if len(lacking):
        return (
            f"The validation rows have no row of the classes {abbreviate(lacking.tolist())}: pass "
            "X_val and y_val that have all, raise validation_fraction, or use another scoring."
        )
    return "Use another scoring, or None for the measure that score takes."


def why_labels_do_not_fit(scoring: Any, scorer: Callable, targets: Any) -> str | None:
    """Why a metric of scikit-learn cannot take labels of this kind, and what to do; None if it can."""
    metric = getattr(scorer, "_score_func", None)
    if metric is None or not metric.__module__.startswith("sklearn."):
        return None
    kind, average = targets.kind, option(scorer, "average")
    if kind == "multiclass-multioutput":
        return (
            "scikit-learn's metrics take one column of classes: pass a function of model, X and "
            "y, or scoring=None, the share of rows with all columns right."
        )
    if kind in ("multiclass", "multilabel-indicator") and average == "binary":
        name = scoring if isinstance(scoring, str) else metric.__name__.removesuffix("_score")
        return f"It is for two classes: use an average over all, as scoring='{name}_macro'."
    if kind in ("binary", "multiclass") and average == "samples":
        return "It is for rows with several labels each: use another average, as 'macro' or 'weighted'."
    if kind == "multiclass" and option(scorer, "multi_class") == "raise":
        return "It is for two classes: use scoring='roc_auc_ovr' or 'roc_auc_ovo'."
    if kind == "binary" and _has_no_positive_class(scorer, targets.classes):
        classes = targets.classes.tolist()
        return (
            f"It does not know which of the classes {abbreviate(classes)} is the positive one "
            f"(pos_label is {option(scorer, 'pos_label')!r}): pass "
            f"scoring=make_scorer({metric.__name__}, pos_label={classes[-1]!r}), with the "
            "scorer's other options."
        )
    return None


def _has_no_positive_class(scorer: Callable, classes: np.ndarray) -> bool:
    average, pos_label = option(scorer, "average"), option(scorer, "pos_label")
    if "pos_label" not in option_names(scorer) or len(classes) < 2:
        return False
    if pos_label is None:  # then the Brier score goes by 0 and 1
        return average is None and classes.dtype.kind not in "biuf"
    return pos_label not in classes.tolist() and (
        average in (None, "binary") or scores_probabilities(scorer)
    )
