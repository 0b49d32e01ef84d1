"""The temperature, which corrects probabilities on rows that were not trained on."""

import numpy as np
from scipy.optimize import minimize_scalar

from sklearn_metabp.estimators._fit import Training
from sklearn_metabp.estimators._validation import ValidationRows

# Temperatures are between 1 / _LIMIT and _LIMIT.
_LIMIT = 20.0
# Variance of the normal prior of log(T).
_VARIANCE = 0.1


def best_temperature(training: Training, validation: ValidationRows | None) -> float:
    """Return the best temperature for the validation rows.

    It is the T with the smallest sum of the log-losses of these rows plus ``5 * log(T)**2``. The
    last term is a prior: log(T) is normal around 0 with variance 1/10. Without it, T would be as
    small as possible if all predictions are right.

    C. Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 9.

    Parameters
    ----------
    training : Training
        A training that has ended.
    validation : ValidationRows or None

    Raises
    ------
    ValueError
        If there are no validation rows.
    """
    if validation is None:
        raise ValueError(
            "calibration='temperature' needs validation rows: set "
            "early_stopping=True, or pass X_val and y_val to fit."
        )

    def cost(log_temperature: float) -> float:
        loss = validation.loss(at_temperature(training, np.exp(log_temperature)))
        return validation.weight * loss + log_temperature**2 / (2 * _VARIANCE)

    limit = np.log(_LIMIT)
    found = minimize_scalar(cost, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


def at_temperature(training: Training, temperature: float) -> np.ndarray:
    """Return the kept parameters with the net inputs of the output neurons divided by a number.

    Raises
    ------
    ValueError
        If the loss is not the log-loss, whose outputs are probabilities.
    """
    network = training.network
    if network.loss != "log_loss":
        raise ValueError(f"calibration needs loss='log_loss', got loss={network.loss!r}.")
    params = training.state.kept_params(training.rule).copy()
    for array in (network.layout.coefs(params)[-1], network.layout.intercepts(params)[-1]):
        array /= temperature
    return params
