"""What a rule returned, checked before anything is done with it."""

import reprlib
from collections.abc import Callable

import numpy as np


def checked_update(rule, change, wanted: np.ndarray) -> np.ndarray:
    """What a rule returned, if it is an update like the array that is wanted.

    Parameters
    ----------
    rule : UpdateRule
    change : object
        What its ``compute_update`` returned.
    wanted : ndarray of shape (n_params,)
        ``step.updates``, which passes as it is.

    Returns
    -------
    change : ndarray of shape (n_params,)
        C-contiguous, of the dtype that is wanted. From float64 it is rounded: one NumPy number
        among a rule's parameters widens all that float32 is multiplied with.

    Raises
    ------
    ValueError
        If it is None, its shape is another, or its dtype neither that nor float64.
    """
    if change is wanted:
        return change
    if change is None:
        raise ValueError(
            f"{type(rule).__name__}.compute_update returned None and must return the update: end it with "
            f"`return step.updates` where it fills that array, or return an array of shape {wanted.shape}."
        )
    return _one_per_parameter(f"{type(rule).__name__}.compute_update", change, wanted)


def checked_kept(rule, kept, params: np.ndarray) -> np.ndarray:
    """What a rule keeps, if they are parameters like those that are trained.

    Parameters
    ----------
    rule : UpdateRule
    kept : object
        What its ``kept_params`` returned.
    params : ndarray of shape (n_params,)
        The parameters after the last update, which pass as they are.

    Returns
    -------
    kept : ndarray of shape (n_params,)
        C-contiguous, of the dtype of the parameters.

    Raises
    ------
    ValueError
        If its shape is another, its dtype neither that of the parameters nor float64, or a number
        is NaN or infinite.
    """
    if kept is params:
        return kept
    name = f"{type(rule).__name__}.kept_params"
    kept = _one_per_parameter(name, kept, params)
    if not np.isfinite(kept).all():
        raise ValueError(
            f"{name} must return finite parameters, as a fitted network has them; "
            f"{np.sum(~np.isfinite(kept))} of {len(kept)} are NaN or infinite."
        )
    return kept


def _one_per_parameter(name: str, returned, like: np.ndarray) -> np.ndarray:
    """What a method returned, if it is an array like another one."""
    if (
        not isinstance(returned, np.ndarray)
        or returned.shape != like.shape
        or returned.dtype not in (like.dtype, np.float64)
    ):
        raise ValueError(
            f"{name} must return an array of shape {like.shape}, dtype {like.dtype}, one number per "
            f"parameter; got {_described(returned)}."
        )
    with np.errstate(over="ignore"):  # what overflows is found out by whoever asked
        return np.ascontiguousarray(returned, like.dtype)


def explain_read_only(error: ValueError, rule) -> None:
    """Raise an error that says more than one that came out of a rule, where that is NumPy's "read-only".

    Parameters
    ----------
    error : ValueError
    rule : UpdateRule

    Raises
    ------
    ValueError
        If the rule wrote to what is read-only.
    """
    if (
        "read-only" not in str(error) or error.__cause__ is not None
    ):  # explained within, if it has a cause
        return
    raise ValueError(
        f"{type(rule).__name__} wrote to an array that is read-only ({error}). All arrays of a step but "
        f"step.updates are views of what the training computes with, to be read: compute a new array "
        f"(`gradients = 2 * step.gradients` in place of `step.gradients *= 2`) or fill step.updates."
    ) from error


def bind_checked(rule, step, state) -> Callable[[], np.ndarray]:
    """Bind a rule to one training, so that what it returns has been checked.

    Parameters
    ----------
    rule : UpdateRule
    step : Step
    state : object
        That of the rule.

    Returns
    -------
    bound : callable
        ``bound()`` returns an update as ``checked_update`` does.
    """
    compute_update, wanted = bound_update(rule, step, state), step.updates

    def compute_checked() -> np.ndarray:
        try:
            change = compute_update()
        except ValueError as error:
            explain_read_only(error, rule)
            raise
        return change if change is wanted else checked_update(rule, change, wanted)

    return compute_checked


def bound_update(rule, step, state) -> Callable[[], object]:
    """What a rule's ``bind`` returned; TypeError if it cannot be called."""
    bound = rule.bind(step, state)
    if not callable(bound):
        raise TypeError(
            f"{type(rule).__name__}.bind must return a function without arguments that computes the update "
            f"of a step; got {reprlib.repr(bound)}."
        )
    return bound


def fill_deltas(rule, layer: int, deltas, buffer: np.ndarray, n_patterns: int) -> None:
    """Write the deltas that a rule returned where the backward pass reads them.

    Parameters
    ----------
    rule : UpdateRule
    layer : int
    deltas : object
        What its ``compute_deltas`` returned; ``buffer`` itself passes as it is.
    buffer : ndarray of shape (max_batch, n_units)
    n_patterns : int

    Raises
    ------
    ValueError
        If they are no array of one delta per pattern and unit.
    """
    if deltas is buffer:
        return
    target = buffer[:n_patterns]
    if not isinstance(deltas, np.ndarray) or deltas.shape != target.shape:
        raise ValueError(
            f"{type(rule).__name__}.compute_deltas must return an array of shape {target.shape}, one delta "
            f"per pattern and unit of hidden layer {layer}; got {_described(deltas, dtype=False)}."
        )
    target[...] = deltas


def _described(returned, *, dtype: bool = True) -> str:
    if not isinstance(returned, np.ndarray):
        return reprlib.repr(returned)
    return f"shape {returned.shape}" + f", dtype {returned.dtype}" * dtype
