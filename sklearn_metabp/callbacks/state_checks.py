"""Checks that a state which was read is one that the training could have written."""

from typing import Any

import numpy as np

from sklearn_metabp.callbacks.state_codec import MisfitError
from sklearn_metabp.training import Curve, Patience, TrainingState
from sklearn_metabp.training.user_code import PACKAGE


def check_training(state: Any, fresh: TrainingState) -> None:
    """Raise MisfitError unless a state belongs to the training that starts with ``fresh``."""
    _check(type(state) is TrainingState, "it holds no state of a training")
    _check(_is_like(state.params, fresh.params), "its params are not those of this network")
    _check_best(state.best_params, fresh)
    _check(isinstance(state.random_state, np.random.RandomState), "its random_state is none")
    _check(
        isinstance(state.split_random_state, (np.random.RandomState, type(None))),
        "its split is none",
    )
    _check(state.order is None or _is_order(state.order), "its order of the rows is none")
    for name in ("dropout_key", "n_steps", "n_rows"):
        count = getattr(state, name)
        _check(type(count) is int and 0 <= count < 2**63, f"its {name} is none")
    for name in ("loss_curve", "validation_scores", "validation_loss_curve"):
        curve = getattr(state, name)
        _check(type(curve) is Curve and all(map(_is_number, curve)), f"its {name} is none")
    _check(_is_number(state.best_score) and _is_number(state.start_loss), "a score or loss is none")
    _check(type(state.n_planned) in (int, type(None)), "its plan is none")
    for reason in (state.why_not_converged, state.divergence):
        _check(isinstance(reason, (str, type(None))), "it does not say why it ended")
    warned_of = state.warned_of
    is_valid = type(warned_of) is tuple and all(isinstance(word, str) for word in warned_of)
    _check(is_valid, "its warnings are none")
    _check(isinstance(state.validated_on, str), "it does not say what was validated")
    _check(state.rule_key == fresh.rule_key, "it is of another update rule")
    _check_patience(state.patience)
    _check(type(state.callback_memory) is dict, "it holds no memory of callbacks")
    for key, memory in state.callback_memory.items():
        if str(key).startswith("EarlyStopping "):
            expected = {"patience", "best_params", "validated_on"}
            _check(
                type(memory) is dict and memory.keys() == expected,
                "its memory of EarlyStopping is none",
            )
            _check_patience(memory["patience"])
            _check_best(memory["best_params"], fresh)


def _check(fits: bool, fault: str) -> None:
    if not fits:
        raise MisfitError(fault)


def _check_best(params: Any, fresh: TrainingState) -> None:
    _check(
        params is None or _is_like(params, fresh.params),
        "its best params are not those of this network",
    )


def _check_patience(patience: Any) -> None:
    fits = type(patience) is Patience and all(map(_is_number, vars(patience).values()))
    _check(fits, "its patience is none")


def _is_like(array: Any, other: np.ndarray) -> bool:
    return isinstance(array, np.ndarray) and (array.shape, array.dtype) == (
        other.shape,
        other.dtype,
    )


def _is_order(order: Any) -> bool:
    is_one = isinstance(order, np.ndarray) and order.ndim == 1 and order.dtype == np.intp
    return is_one and np.array_equal(np.sort(order), np.arange(len(order)))


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.number, np.bool_))


def check_same_form(fresh: Any, saved: Any, n_params: int) -> None:
    """Raise MisfitError if a state differs from a fresh one in more than its numbers.

    An entry that is None in a fresh state, or missing, may have become a number or an array of
    ``n_params``.
    """
    if fresh is None:
        fits = saved is None or isinstance(saved, (bool, int, float, np.generic))
        fits |= isinstance(saved, np.ndarray) and saved.shape == (n_params,)
    elif isinstance(fresh, np.ndarray):
        fits = isinstance(saved, np.ndarray) and (saved.shape, saved.dtype) == (
            fresh.shape,
            fresh.dtype,
        )
    elif isinstance(fresh, dict):
        fits = type(saved) is dict and saved.keys() >= fresh.keys()
        for name in saved if fits else ():
            check_same_form(fresh.get(name), saved[name], n_params)
    elif isinstance(fresh, (list, tuple)):
        fits = type(saved) is type(fresh) and len(saved) == len(fresh)
        for one, other in zip(fresh, saved, strict=True) if fits else ():
            check_same_form(one, other, n_params)
    elif isinstance(fresh, (bool, int, float, np.generic)):
        fits = saved is None or isinstance(saved, (bool, int, float, np.generic))
    else:
        fits = type(saved) is type(fresh)
        if fits and type(fresh).__module__.partition(".")[0] == PACKAGE:
            check_same_form(fresh.__getstate__(), saved.__getstate__(), n_params)
    if not fits:
        raise MisfitError("the state is not one of this update rule")
