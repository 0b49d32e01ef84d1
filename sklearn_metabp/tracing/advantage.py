"""Weights of the steps of a trace, by what their runs achieved."""

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from sklearn_metabp.tracing.run import Run
    from sklearn_metabp.tracing.trace import Trace

# Added to losses, so that a loss of 0 has a logarithm.
_SMALL = 1e-8


def advantage_weights(
    trace: "Trace",
    tasks: ArrayLike | None,
    losses: ArrayLike | None,
    horizon: int | None,
    temperature: float,
    max_weight: float,
) -> np.ndarray:
    """Return the weight of every step of a trace; see ``Trace.advantage``."""
    if horizon is not None and (not isinstance(horizon, Integral) or horizon < 1):
        raise ValueError(f"horizon must be an integer of 1 or more or None, got {horizon!r}.")
    if horizon is not None and losses is not None:
        raise ValueError("losses are what whole runs achieved: pass losses or horizon, not both.")
    for name, value in (("temperature", temperature), ("max_weight", max_weight)):
        if not isinstance(value, Real) or not value > 0:
            raise ValueError(f"{name} must be a number greater than 0, got {value!r}.")
    numbers = np.unique(trace.runs).tolist()
    of_run = _check_tasks(trace, tasks, numbers)
    achieved = None if losses is None else -_log(_check_losses(trace, losses))
    # A case is what one run achieved from one epoch on, or in all where there is no horizon.
    cases, gains, case_of_step, n_cases = [], [], np.empty(len(trace), dtype=int), 0
    for number in numbers:
        run, mine = trace.recorded[number], trace.runs == number
        if horizon is None:
            gain = _final_gain(run) if achieved is None else achieved[number]
            epochs, run_gains, of_recorded = (
                np.zeros(1),
                np.array([gain]),
                np.zeros(run.n_steps, int),
            )
        else:
            epochs, run_gains, of_recorded = _gains_within(run, int(horizon))
        cases.append(np.column_stack([np.full(len(epochs), of_run[number]), epochs]))
        gains.append(run_gains)
        case_of_step[mine] = n_cases + of_recorded[trace.steps_in_run[mine]]
        n_cases += len(epochs)
    if not cases:
        return np.empty(0)
    gain, known = np.concatenate(gains), np.isfinite(np.concatenate(gains))
    with np.errstate(invalid="ignore", over="ignore"):
        advantage = gain - _typical_gain(np.concatenate(cases), gain, known)
        weights = np.minimum(np.exp(advantage / temperature), max_weight)
    return np.where(known, weights, 0.0)[case_of_step]


def _log(losses: np.ndarray) -> np.ndarray:
    return np.log(losses + _SMALL)


def _curve(run: "Run") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the recorded epochs, the mean loss of the patterns of each, and the place of steps."""
    scalars = run.scalars
    epochs, place = np.unique(np.asarray(scalars["epochs"]), return_inverse=True)
    n_patterns = np.asarray(scalars["n_patterns"], dtype=float)
    with np.errstate(all="ignore"):  # losses of a run that diverges
        total = np.bincount(place, n_patterns * np.asarray(scalars["losses"], dtype=float))
    return epochs, total / np.bincount(place, n_patterns), place


def _final_gain(run: "Run") -> float:
    return -float(_log(_curve(run)[1][-1]))


def _gains_within(run: "Run", horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return epochs, the decrease of the log loss within the horizon from each, place of steps."""
    epochs, curve, place = _curve(run)
    ends = np.searchsorted(epochs, epochs + horizon, side="right") - 1
    with np.errstate(invalid="ignore"):
        return epochs, _log(curve) - _log(curve[ends]), place


def _typical_gain(cases: np.ndarray, gain: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return for every case the median of what the runs of its task achieved there."""
    _, group = np.unique(cases, axis=0, return_inverse=True)
    group, typical = group.ravel(), np.full(len(cases), np.nan)
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        if known[members].any():
            typical[members] = np.median(gain[members][known[members]])
    return typical


def _check_tasks(trace: "Trace", tasks: ArrayLike | None, numbers: list[int]) -> np.ndarray:
    """Return a number for the task of every run."""
    n_runs = len(trace.recorded)
    if tasks is None:
        networks = [trace.recorded[number].network for number in numbers]
        if any(network != networks[0] for network in networks):
            raise ValueError(
                "the trace has runs of several networks, which cannot be of one task: pass the "
                "task of every run as tasks."
            )
        return np.zeros(n_runs, dtype=int)
    labels = _check_length("tasks", tasks, n_runs)
    return np.unique(labels, return_inverse=True)[1]


def _check_losses(trace: "Trace", losses: ArrayLike) -> np.ndarray:
    values = _check_length("losses", losses, len(trace.recorded)).astype(float)
    if not (values >= 0).all():
        raise ValueError("losses must be 0 or more, or infinite for a run that diverged.")
    return values


def _check_length(name: str, values: Any, n_runs: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n_runs,):
        raise ValueError(
            f"{name} must have one value for each of the {n_runs} runs of the trace, by the run's "
            f"number, got shape {array.shape}."
        )
    return array
