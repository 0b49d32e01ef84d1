"""Checks of the return values of a user's rule before they are used."""

import reprlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sklearn_metabp.network import Step

if TYPE_CHECKING:  # which import this module
    from sklearn_metabp.update_rules.training_rule import TrainingRule
    from sklearn_metabp.update_rules.update_rule import UpdateRule


def validate_update(rule: "UpdateRule", change: object, wanted: np.ndarray) -> np.ndarray:
    """Return the update that a rule computed if its shape and dtype are right.

    Parameters
    ----------
    rule : UpdateRule
    change : object
        The value of ``compute_update``.
    wanted : ndarray of shape (n_params,)
        ``step.updates``. This array itself is returned unchanged.

    Returns
    -------
    change : ndarray of shape (n_params,)
        C-contiguous, with the dtype of ``wanted``. A float64 array is rounded, because the product
        of a float32 array and a float64 number of NumPy is float64.

    Raises
    ------
    ValueError
        If it is None, has another shape, or a dtype that is neither the wanted one nor float64.
    """
    if change is wanted:
        return wanted
    if change is None:
        raise ValueError(
            f"{type(rule).__name__}.compute_update returned None and must return the update: end "
            "it with `return step.updates` if it fills that array, or return an array of shape "
            f"{wanted.shape}."
        )
    return _one_number_per_parameter(f"{type(rule).__name__}.compute_update", change, wanted)


def validate_kept_params(rule: "TrainingRule", kept: object, params: np.ndarray) -> np.ndarray:
    """Return the parameters that a rule keeps if they fit the trained ones.

    Parameters
    ----------
    rule : TrainingRule
    kept : object
        The value of ``kept_params``.
    params : ndarray of shape (n_params,)
        The parameters after the last update. This array itself is returned unchanged.

    Returns
    -------
    kept : ndarray of shape (n_params,)
        C-contiguous, of the dtype of the parameters.

    Raises
    ------
    ValueError
        If they have another shape, a dtype that is neither that of the parameters nor float64, or
        a number that is NaN or infinite.
    """
    if kept is params:
        return params
    name = f"{type(rule).__name__}.kept_params"
    kept = _one_number_per_parameter(name, kept, params)
    if not np.isfinite(kept).all():
        raise ValueError(
            f"{name} must return finite parameters for a fitted network; "
            f"{np.sum(~np.isfinite(kept))} of {len(kept)} are NaN or infinite."
        )
    return kept


def _one_number_per_parameter(name: str, returned: object, like: np.ndarray) -> np.ndarray:
    if (
        not isinstance(returned, np.ndarray)
        or returned.shape != like.shape
        or returned.dtype not in (like.dtype, np.float64)
    ):
        raise ValueError(
            f"{name} must return an array of shape {like.shape}, dtype {like.dtype}, one number "
            f"per parameter; got {_describe(returned)}."
        )
    with np.errstate(over="ignore"):  # the caller finds numbers that overflow
        return np.ascontiguousarray(returned, like.dtype)


def explain_read_only(error: ValueError, rule: "UpdateRule") -> None:
    """Raise a clearer error if a rule has written to a read-only array.

    Parameters
    ----------
    error : ValueError
        The error of the rule.
    rule : UpdateRule

    Raises
    ------
    ValueError
        If the rule wrote to a read-only array.
    """
    # A wrapper has already explained an error that has a cause.
    if "read-only" not in str(error) or error.__cause__ is not None:
        return
    raise ValueError(
        f"{type(rule).__name__} wrote to an array that is read-only ({error}). All arrays of a "
        "step except step.updates are read-only, because the training computes with them: compute "
        "a new array (`gradients = 2 * step.gradients` in place of `step.gradients *= 2`) or fill "
        "step.updates. A rule with sets_dropout = True may also write to step.dropout."
    ) from error


def bind_validated(rule: "UpdateRule", step: Step, state: Any) -> Callable[[], np.ndarray]:
    """Bind a rule to one training and validate every update that it computes.

    Parameters
    ----------
    rule : UpdateRule
    step : Step
    state : object
        The state of the rule.

    Returns
    -------
    bound : callable
        ``bound()`` returns an update as ``validate_update`` does.
    """
    compute_update = bind_update(rule, step, state)
    wanted: np.ndarray = step.updates

    def compute_validated() -> np.ndarray:
        try:
            change = compute_update()
        except ValueError as error:
            explain_read_only(error, rule)
            raise
        return wanted if change is wanted else validate_update(rule, change, wanted)

    return compute_validated


def bind_update(rule: "UpdateRule", step: Step, state: Any) -> Callable[[], object]:
    """Bind a rule to one training, and raise TypeError if ``bind`` returns no function."""
    bound = rule.bind(step, state)
    if not callable(bound):
        raise TypeError(
            f"{type(rule).__name__}.bind must return a function without arguments that computes "
            f"the update of a step; got {reprlib.repr(bound)}."
        )
    return bound


def write_deltas(
    rule: "UpdateRule", layer: int, deltas: object, buffer: np.ndarray, n_patterns: int
) -> None:
    """Write the deltas of a rule into the array of the backward pass.

    Parameters
    ----------
    rule : UpdateRule
    layer : int
    deltas : object
        The value of ``compute_deltas``. It may be ``buffer`` itself.
    buffer : ndarray of shape (max_batch, n_neurons)
    n_patterns : int

    Raises
    ------
    ValueError
        Unless they are an array of one delta per pattern and neuron.
    """
    if deltas is buffer:
        return
    target = buffer[:n_patterns]
    if not isinstance(deltas, np.ndarray) or deltas.shape != target.shape:
        raise ValueError(
            f"{type(rule).__name__}.compute_deltas must return an array of shape {target.shape}, "
            f"one delta per pattern and neuron of hidden layer {layer}; got "
            f"{_describe(deltas, dtype=False)}."
        )
    target[...] = deltas


def _describe(returned: object, *, dtype: bool = True) -> str:
    if not isinstance(returned, np.ndarray):
        return reprlib.repr(returned)
    return f"shape {returned.shape}" + f", dtype {returned.dtype}" * dtype
