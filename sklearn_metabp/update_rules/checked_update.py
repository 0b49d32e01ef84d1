"""What a rule returned, looked at before anything is done with it."""

import reprlib

import numpy as np

from sklearn_metabp.update_rules.base import UpdateRule


def checked_update(rule: UpdateRule, change, wanted: np.ndarray) -> np.ndarray:
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
        C-contiguous, of the dtype that is wanted. From float64 it is rounded: one NumPy number among a
        rule's parameters widens all that float32 is multiplied with.

    Raises
    ------
    ValueError
        If its shape is another, or its dtype neither that nor float64.
    """
    if change is wanted:
        return change
    if (
        not isinstance(change, np.ndarray)
        or change.shape != wanted.shape
        or change.dtype not in (wanted.dtype, np.float64)
    ):
        got = (
            f"shape {change.shape}, dtype {change.dtype}"
            if isinstance(change, np.ndarray)
            else reprlib.repr(change)
        )
        raise ValueError(
            f"{type(rule).__name__}.compute_update must return an array of shape {wanted.shape}, dtype "
            f"{wanted.dtype}, one number per parameter; got {got}."
        )
    with np.errstate(over="ignore"):  # what overflows is found out by the loop
        return np.ascontiguousarray(change, wanted.dtype)
