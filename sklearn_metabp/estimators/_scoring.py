"""``scoring`` as a judge of parameters on validation rows."""

import copy
from collections.abc import Callable
from inspect import Parameter, signature

from scipy.sparse import issparse
from sklearn.metrics import check_scoring


def scorer_of_parameters(estimator, fitted_attributes: Callable[[], dict]) -> Callable | None:
    """A function of parameters, X, y and sample weights; None where ``scoring`` is None.

    Parameters
    ----------
    estimator : estimator
    fitted_attributes : callable
        Returns the attributes that make a copy of the estimator ready to predict.

    Raises
    ------
    ValueError
        If ``scoring`` is no scorer; from the function, if the scorer fails.
    """
    scoring = estimator.scoring
    if scoring is None:
        return None
    scorer = check_scoring(estimator, scoring)
    takes_weights = _takes_weights(scorer)

    def score(params, X, y, sample_weight) -> float:
        model = copy.copy(estimator)
        model.__dict__.update(fitted_attributes(), params_=params)
        model.__dict__.pop("feature_names_in_", None)  # the rows are arrays
        y = y.toarray() if issparse(y) else y  # not every metric takes it sparse
        weights = {"sample_weight": sample_weight} if takes_weights and sample_weight is not None else {}
        try:
            return float(scorer(model, X, y, **weights))
        except Exception as error:
            raise ValueError(
                f"scoring={scoring!r} failed on the {X.shape[0]} validation rows "
                f"({type(error).__name__}: {error}). If they lack a class, pass X_val and y_val that have "
                f"all, or raise validation_fraction; or use another scoring."
            ) from error

    return score


def _takes_weights(scorer: Callable) -> bool:
    """Whether a scorer, or the metric that scikit-learn made it from, takes sample weights."""
    try:
        parameters = signature(getattr(scorer, "_score_func", scorer)).parameters
    except ValueError:  # a builtin does not tell
        return False
    return "sample_weight" in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())
