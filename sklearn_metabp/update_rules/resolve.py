"""From the argument ``update_rule`` to a rule that is ready to train."""

from collections.abc import Callable
from typing import Any

from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.update_rules.training_rule import TrainingRule

# The classes by name. The table in named_rules fills it, because wrappers use names and may have
# one.
UPDATE_RULES: dict[str, type[TrainingRule]] = {}
# Functions that return a fitted rule, by the name of the rule. Packages that come with such rules
# fill it.
FITTED_RULES: dict[str, Callable[[], TrainingRule]] = {}


def resolve_update_rule(update_rule: Any, name: str = "update_rule") -> TrainingRule:
    """Return the rule of a name, a rule or a frozen fitted rule, ready to train.

    Parameters
    ----------
    update_rule : str, TrainingRule or FrozenEstimator
    name : str, default="update_rule"
        The name of the parameter, for errors.

    Returns
    -------
    rule : TrainingRule
        An :class:`UpdateRule` or a :class:`LineSearchRule`.

    Raises
    ------
    ValueError
        If no rule has this name.
    TypeError
        If it is no rule, for example a class instead of an instance.
    NotFittedError
        If it is a learned rule that has not been fitted.
    """
    if isinstance(update_rule, str):
        makers: dict[str, Callable[[], TrainingRule]] = {**UPDATE_RULES, **FITTED_RULES}
        if update_rule not in makers:
            raise ValueError(
                f"{name} must be one of {sorted(makers)} or an UpdateRule, got "
                f"{update_rule!r}.{did_you_mean(update_rule, makers)}"
            )
        return makers[update_rule]()
    rule = update_rule.estimator if isinstance(update_rule, FrozenEstimator) else update_rule
    if not isinstance(rule, TrainingRule):
        hint = " Pass an instance: add parentheses." if isinstance(rule, type) else ""
        if not (
            isinstance(rule, type) and issubclass(rule, TrainingRule)
        ):  # the class of another library
            hint = did_you_mean(getattr(rule, "__name__", type(rule).__name__), UPDATE_RULES)
        raise TypeError(
            f"{name} must be one of {sorted({*UPDATE_RULES, *FITTED_RULES})} or an instance of "
            f"UpdateRule, got {rule!r}.{hint}"
        )
    if hasattr(rule, "fit"):
        try:
            check_is_fitted(rule)
        except NotFittedError as error:
            raise NotFittedError(
                f"{name}={type(rule).__name__}(...) has not been fitted, so there is nothing "
                f"learned to train with: call its fit with a trace first, then pass it as {name}."
            ) from error
    return rule
