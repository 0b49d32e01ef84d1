"""Advice on numbers to predict whose mean or spread makes training slow."""

import numpy as np

from sklearn_metabp._kernels.functions import ACTIVATIONS

# Usual standard deviations, and the largest usual distance of the mean from 0, divided by them.
_USUAL, _FAR = (0.1, 10.0), 3.0


def advice_on_scale(
    out_activation: str, targets: np.ndarray, sample_weight: np.ndarray | None, tol: float
) -> str | None:
    """Return a description of unusual numbers to predict, with a remedy.

    Parameters
    ----------
    out_activation : str
    targets : ndarray of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,) or None
    tol : float
        Smallest improvement of the loss that counts.

    Returns
    -------
    advice : str or None
        A text with mean and standard deviation of the most unusual output, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_metabp.training.target_scale import advice_on_scale
    >>> print(advice_on_scale("identity", np.array([[9999.0], [10001.0]]), None, 1e-4)[:60])
    y has mean 1e+04 and standard deviation 1. Outputs start aro
    >>> advice_on_scale("identity", np.array([[-1.0], [1.0]]), None, 1e-4)
    """
    means, deviations = _moments(np.asarray(targets, np.float64), sample_weight)
    far = np.abs(means) > _FAR * np.maximum(deviations, 1.0)
    odd = (deviations < _USUAL[0]) | (deviations > _USUAL[1])
    low, high = ACTIVATIONS[out_activation].output_range
    beyond = (targets.min(axis=0) < low) | (targets.max(axis=0) > high)
    is_bounded = np.isfinite([low, high]).all()
    unusual = beyond if is_bounded else far | odd | beyond
    if not unusual.any():
        return None
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(deviations)) + np.log1p(np.abs(means))
    worst = int(np.where(unusual, distance, -1.0).argmax())
    which = "y" if len(means) == 1 else f"y[:, {worst}]"
    is_far = bool(abs(means[worst]) > deviations[worst])
    facts = f"{which} has mean {means[worst]:.3g} and standard deviation {deviations[worst]:.3g}."
    return f"{facts} {_remedy(out_activation, bool(beyond[worst]), is_far, deviations[worst], tol)}"


def _moments(
    targets: np.ndarray, sample_weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    def mean(values: np.ndarray) -> np.ndarray:
        if sample_weight is None:
            return values.mean(axis=0)
        return np.average(values, axis=0, weights=sample_weight)

    with np.errstate(over="ignore", under="ignore"):
        means = mean(targets)
        return means, np.sqrt(mean((targets - means) ** 2))


def _remedy(
    out_activation: str, is_beyond: bool, is_far: bool, deviation: float, tol: float
) -> str:
    low, high = ACTIVATIONS[out_activation].output_range
    if is_beyond:
        return (
            f"{out_activation} outputs are between {low:g} and {high:g}: scale y to that, or set "
            "another out_activation."
        )
    if low > -np.inf:  # scaled targets would leave the range
        start = ACTIVATIONS[out_activation].function(np.zeros(1))[0]
        return (
            f"{out_activation} outputs start around {start:g}: set init_output_bias='targets', "
            "which starts them at the mean of y."
        )
    text = (
        "Outputs start around 0, and a standard deviation of about 1 trains best: "
        "scale y, for example by TransformedTargetRegressor(model, transformer=StandardScaler())"
    )
    if is_far:
        text += ", or set init_output_bias='targets', which starts the outputs at the mean of y"
    if deviation**2 / 2 <= tol:
        text += f", or lower tol={tol:g}, which is more than the whole loss"
    return text + "."
