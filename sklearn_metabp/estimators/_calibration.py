"""The temperature of probabilities, which makes them fit rows that were not trained on."""

import numpy as np
from scipy.optimize import minimize_scalar

from sklearn_metabp.estimators._fit import Training
from sklearn_metabp.estimators._validation import ValidationRows

# Temperatures are between 1 / _LIMIT and _LIMIT.
_LIMIT = 20.0


def at_best_temperature(
    training: Training, validation: ValidationRows | None
) -> tuple[np.ndarray, float]:
    """Return the parameters with the output layer divided by the best temperature, and this.

    The temperature T minimises the sum of the log-losses of the validation rows and
    ``log(T)**2 / 2``. The second is the prior that log(T) is normal around 0 with variance 1;
    without it, rows that are all right would make T as small as it can be.

    C. Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 9.

    Parameters
    ----------
    training : Training
        It has ended. Its loss is the log-loss, and its outputs are of softmax or logistic neurons.
    validation : ValidationRows or None

    Returns
    -------
    params : ndarray of shape (n_params,)
    temperature : float

    Raises
    ------
    ValueError
        If the loss is another one, or there are no validation rows.
    """
    network = training.network
    if network.loss != "log_loss":
        raise ValueError(
            f"calibration='temperature' needs loss='log_loss', got loss={network.loss!r}."
        )
    if validation is None:
        raise ValueError(
            "calibration='temperature' needs rows that are not trained on: set "
            "early_stopping=True, or pass X_val and y_val to fit."
        )
    kept = training.state.kept_params(training.rule)

    def params_at(log_temperature: float) -> np.ndarray:
        params = kept.copy()
        for array in (network.layout.coefs(params)[-1], network.layout.intercepts(params)[-1]):
            array /= np.exp(log_temperature)
        return params

    def cost(log_temperature: float) -> float:
        loss = validation.loss(params_at(log_temperature))
        return validation.n_rows * loss + log_temperature**2 / 2

    limit = np.log(_LIMIT)
    found = minimize_scalar(cost, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-3})
    return params_at(found.x), float(np.exp(found.x))
