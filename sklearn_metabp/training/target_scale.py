"""Numbers to predict that networks find hard, because of where they lie or how far they spread."""

import numpy as np

# Standard deviations that are usual, and how many of them the mean may be away from 0.
_USUAL, _FAR = (0.1, 10.0), 3.0
# What output units can reach.
_RANGES = {"logistic": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0), "exp": (0.0, np.inf)}


def advice_on_scale(
    out_activation: str, targets: np.ndarray, sample_weight, tol: float
) -> str | None:
    """What is unusual about numbers to predict, and what to do.

    Parameters
    ----------
    out_activation : str
    targets : ndarray of shape (n_samples, n_outputs)
    sample_weight : ndarray of shape (n_samples,) or None
    tol : float
        Improvement of the loss that counts.

    Returns
    -------
    advice : str or None
        With mean and standard deviation of the output that is farthest from the usual; None if all
        are usual.

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
    low, high = _RANGES.get(out_activation, (-np.inf, np.inf))
    beyond = (targets.min(axis=0) < low) | (targets.max(axis=0) > high)
    unusual = beyond if out_activation in ("logistic", "tanh", "softmax") else far | odd | beyond
    if not unusual.any():
        return None
    with np.errstate(divide="ignore"):
        distance = np.abs(np.log(deviations)) + np.log1p(np.abs(means))
    worst = int(np.where(unusual, distance, -1.0).argmax())
    which = "y" if len(means) == 1 else f"y[:, {worst}]"
    is_far = bool(abs(means[worst]) > deviations[worst])
    facts = f"{which} has mean {means[worst]:.3g} and standard deviation {deviations[worst]:.3g}."
    return f"{facts} {_remedy(out_activation, bool(beyond[worst]), is_far, deviations[worst], tol)}"


def _moments(targets, sample_weight) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(over="ignore", under="ignore"):
        means = np.average(targets, axis=0, weights=sample_weight)
        return means, np.sqrt(np.average((targets - means) ** 2, axis=0, weights=sample_weight))


def _remedy(
    out_activation: str, is_beyond: bool, is_far: bool, deviation: float, tol: float
) -> str:
    if is_beyond:
        low, high = _RANGES[out_activation]
        return (
            f"{out_activation} outputs lie between {low:g} and {high:g}: scale y to that, or set "
            "another out_activation."
        )
    if out_activation == "exp":
        return "exp outputs start around 1: set init_output_bias='targets', which starts them at the mean of y."
    text = (
        "Outputs start around 0, and training goes well where the standard deviation is about 1: "
        "scale y, as by TransformedTargetRegressor(model, transformer=StandardScaler())"
    )
    if is_far:
        text += ", or set init_output_bias='targets', which starts the outputs at the mean of y"
    if deviation**2 / 2 <= tol:
        text += f", or lower tol={tol:g}, which is more than the loss that there is to win"
    return text + "."
