"""Objectives of meta-training: numbers that judge a rollout, lower is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from sklearn_metabp.meta_training.rollout import Rollout
from sklearn_metabp.meta_training.tasks import Task

# Largest loss; a larger one counts as this one, and so does a training that diverged.
MAX_LOSS = 1e3
# Largest size of a value of an objective, and the value of a failure.
MAX_VALUE = 1e3
# A training failed if its last loss is so many times the loss of its first epoch.
_BLOW_UP_FACTOR = 10
# Added to losses, so that a loss of 0 has a logarithm.
_SMALL, _SMALL_VALIDATION = 0.005, 0.01
_N_SEGMENTS = 20
_N_VALIDATIONS = 20


class Objective(Protocol):
    """A number for a rollout, lower is better, and its requirements."""

    @property
    def needs_validation(self) -> bool:
        """True if tasks must have validation rows."""
        ...

    @property
    def needs_test(self) -> bool:
        """True if tasks must have test rows."""
        ...

    @property
    def n_validations(self) -> int | None:
        """Number of epochs after which to validate; None for all."""
        ...

    @property
    def validation_scores(self) -> bool:
        """True if scores are computed on the validation rows."""
        ...

    def value(self, record: Rollout, task: Task) -> float:
        """Return the number; it may be infinite or NaN."""
        ...


@dataclass(frozen=True)
class Measure:
    """One number of a rollout.

    Attributes
    ----------
    value : callable
        ``value(record, task)``.
    description : str
    needs_validation, needs_scores, needs_test : bool
        True if it uses losses or scores on validation rows, or losses on test rows.
    """

    value: Callable[[Rollout, Task], float]
    description: str
    needs_validation: bool = False
    needs_scores: bool = False
    needs_test: bool = False


def _log_loss(loss: Any, small: float) -> Any:
    return np.log(np.minimum(np.nan_to_num(loss, nan=np.inf), MAX_LOSS) + small)


def _final_loss(record: Rollout, task: Task) -> float:
    return float(_log_loss(record.loss, _SMALL))


def _log_curve(record: Rollout, task: Task) -> float:
    """Return the mean over segments of the planned epochs; the worst value after a divergence."""
    curve = record.loss_curve
    if record.diverged:
        n_planned = max(record.n_planned_epochs, len(curve) + 1)
        curve = np.append(curve, np.full(n_planned - len(curve), MAX_LOSS))
    bounds = np.linspace(0, len(curve), min(_N_SEGMENTS, len(curve)) + 1).astype(int)
    sums = np.add.reduceat(np.minimum(curve, MAX_LOSS), bounds[:-1])
    return float(np.mean(_log_loss(sums / np.diff(bounds), _SMALL)))


def _validation_losses(record: Rollout) -> np.ndarray:
    curve = record.validation_loss_curve
    if record.diverged or curve is None or not len(curve):
        return np.array([np.inf])
    return curve


def _final_validation_loss(record: Rollout, task: Task) -> float:
    return float(_log_loss(_validation_losses(record)[-1], _SMALL_VALIDATION))


def _best_validation_loss(record: Rollout, task: Task) -> float:
    return float(_log_loss(np.fmin.reduce(_validation_losses(record)), _SMALL_VALIDATION))


def _chosen_test_loss(record: Rollout, task: Task) -> float:
    return float(_log_loss(record.chosen_test_loss, _SMALL_VALIDATION))


def _final_validation_score(record: Rollout, task: Task) -> float:
    return np.nan if record.diverged else -float(record.validation_scores[-1])  # type: ignore[index]


def _best_validation_score(record: Rollout, task: Task) -> float:
    return np.nan if record.diverged else -float(np.fmax.reduce(record.validation_scores))  # type: ignore[arg-type]


def _minus_score(name: str, record: Rollout, task: Task) -> float:
    if record.estimator is None:
        return np.nan
    return -float(get_scorer(name)(record.estimator, task.X_val, task.y_val))


#: The measures that an objective can weigh, by name.
MEASURES: Mapping[str, Measure] = {
    "final_loss": Measure(_final_loss, "log(final training loss + 0.005)"),
    "log_curve": Measure(
        _log_curve, "mean of log(training loss + 0.005) over 20 segments of the training"
    ),
    "final_validation_loss": Measure(
        _final_validation_loss, "log(final validation loss + 0.01)", True
    ),
    "best_validation_loss": Measure(
        _best_validation_loss, "log(lowest validation loss + 0.01)", True
    ),
    "chosen_test_loss": Measure(
        _chosen_test_loss,
        "log(test loss at the epoch with the lowest validation loss + 0.01)",
        needs_validation=True,
        needs_test=True,
    ),
    "final_validation_score": Measure(
        _final_validation_score, "minus the final score on the validation rows", True, True
    ),
    "best_validation_score": Measure(
        _best_validation_score, "minus the highest score on the validation rows", True, True
    ),
}

#: Objectives by name, as weights of measures.
OBJECTIVES: Mapping[str, Mapping[str, float]] = {
    "fit": {"log_curve": 0.5, "final_loss": 0.5},
    "generalise": {"best_validation_loss": 0.5, "final_validation_loss": 0.5},
}


class WeightedObjective:
    """A weighted sum of measures.

    Parameters
    ----------
    weights : dict of float
        Weights by the names of measures, or of scikit-learn's scorers: minus the score of the
        trained network on the validation rows.

    Raises
    ------
    ValueError
        If there is no weight, a name is not known or a weight is not finite.
    """

    def __init__(self, weights: Mapping[str, float]):
        if not weights or not all(np.isfinite(weight) for weight in weights.values()):
            raise ValueError(f"objective must have finite weights of measures, got {weights!r}.")
        self.weights = {name: float(weight) for name, weight in weights.items()}
        self._measures = [(_find_measure(name), weight) for name, weight in self.weights.items()]
        self.needs_validation = any(measure.needs_validation for measure, _ in self._measures)
        self.needs_test = any(measure.needs_test for measure, _ in self._measures)
        self.validation_scores = any(measure.needs_scores for measure, _ in self._measures)
        self.n_validations = _N_VALIDATIONS if self.needs_validation else 1

    def value(self, record: Rollout, task: Task) -> float:
        """Return the weighted sum."""
        return sum(weight * measure.value(record, task) for measure, weight in self._measures)


class CallableObjective:
    """A user's function of a rollout, which has the trained network and validates every epoch."""

    n_validations: int | None = None
    validation_scores = True
    needs_validation = needs_test = False

    def __init__(self, function: Callable[[Rollout], float]):
        self._function = function

    def value(self, record: Rollout, task: Task) -> float:
        """Return the value of the function; NaN for a training that diverged."""
        return np.nan if record.diverged else float(self._function(record))


def as_objective(objective: Any) -> Objective:
    """Convert the argument ``objective`` to an objective.

    Parameters
    ----------
    objective : str, dict of float or callable
        Name of an objective, of a measure or of a scikit-learn scorer; weights of measures and
        scorers by name; or a function of a :class:`Rollout`.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if isinstance(objective, str):
        return WeightedObjective(OBJECTIVES.get(objective, {objective: 1.0}))
    if isinstance(objective, Mapping):
        return WeightedObjective(objective)
    if callable(objective):
        return CallableObjective(objective)
    raise ValueError(
        "objective must be a name, a dict of weights or a function of a Rollout, got "
        f"{objective!r}."
    )


def bounded_value(objective: Objective, record: Rollout, task: Task) -> float:
    """Return the value of a rollout, between ``-MAX_VALUE`` and ``MAX_VALUE``; NaN is the worst."""
    value = objective.value(record, task)
    return MAX_VALUE if np.isnan(value) else float(np.clip(value, -MAX_VALUE, MAX_VALUE))


def n_sound_epochs(record: Rollout) -> int | None:
    """Return the number of epochs before a training failed; None if it did not.

    It failed if it diverged, or ended at ten times the loss of its first epoch.
    """
    curve = record.loss_curve
    limit = _BLOW_UP_FACTOR * curve[0] if len(curve) else 0.0
    if not record.diverged and record.loss <= limit:
        return None
    bad = np.flatnonzero(~(curve <= limit))
    return int(bad[0]) if len(bad) else len(curve)


def _find_measure(name: Any) -> Measure:
    if name in MEASURES:
        return MEASURES[name]
    if isinstance(name, str) and name in get_scorer_names():
        return Measure(partial(_minus_score, name), f"minus {name} on the validation rows", True)
    raise ValueError(
        f"objective must be one of {[*OBJECTIVES, *MEASURES]}, the name of a scikit-learn scorer, "
        f"or weights of these; got {name!r}."
    )
