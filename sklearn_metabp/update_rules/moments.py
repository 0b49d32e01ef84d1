"""What Adam and its kin share: two moments, each with its decay."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp.update_rules.scheduled import ScheduledRule


class MomentRule(ScheduledRule):
    """Base of rules with ``beta_1``, ``beta_2`` and ``epsilon``; not to be used directly."""

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }


def two_moments(layout) -> dict:
    """State before the first step: a mean and a mean square of nothing yet."""
    return {"n_plateaus": 0, "t": 0, "mean": layout.zeros(), "square": layout.zeros()}
