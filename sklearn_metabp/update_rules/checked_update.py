"""What a rule returned, looked at before anything is done with it."""

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
        C-contiguous.

    Raises
    ------
    ValueError
        If its shape or dtype is another.
    """
    if change is wanted:
        return change
    if not isinstance(change, np.ndarray) or change.shape != wanted.shape or change.dtype != wanted.dtype:
        got = (
            f"shape {change.shape}, dtype {change.dtype}" if isinstance(change, np.ndarray) else f"{change!r}"
        )
        raise ValueError(
            f"{type(rule).__name__}.compute_update must return an array of shape {wanted.shape}, dtype "
            f"{wanted.dtype}, one number per parameter; got {got}."
        )
    return np.ascontiguousarray(change)
