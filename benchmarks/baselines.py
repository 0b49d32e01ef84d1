"""The update rules that a learned rule is compared with, by name: as they are, or to be tuned.

A tuned rule is a list of candidates, of which the validation loss chooses one for every task.
"""

import numpy as np

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Averaged,
    Muon,
    NAdam,
    Prodigy,
    Rprop,
    ScheduleFree,
)

REFERENCE = "Adam, tuned"
AVERAGED = Averaged(AdamW(8e-3, weight_decay=0.3), decay=0.99)
N_RATES = 14
ADAM_RATES = np.geomspace(1e-4, 0.1, N_RATES).tolist()
SGD_RATES = np.geomspace(1e-3, 1.0, N_RATES).tolist()
MUON_RATES = np.geomspace(1e-3, 0.2, N_RATES).tolist()


def linear(t: int, t_planned: int) -> float:
    """Decrease a learning rate from 1 to 0 along a line."""
    return max(0.0, 1 - (t - 1) / t_planned)


UNTUNED = {
    "Adam 1e-3": Adam(1e-3),
    "Adam 3e-3": Adam(3e-3),
    "ScheduleFree": ScheduleFree(),
    "ScheduleFree 1e-2": ScheduleFree(AdamW(1e-2, beta_1=0.0, weight_decay=0.0)),
    "Prodigy": Prodigy(),
    "averaged AdamW": AVERAGED,
}

TUNED = {
    REFERENCE: [Adam(rate) for rate in ADAM_RATES],
    "AdamW, tuned": [
        AdamW(rate, weight_decay=decay) for rate in (1e-3, 3e-3, 1e-2, 3e-2) for decay in (0.1, 1.0)
    ],
    "Adam + cosine, tuned": [Adam(rate, schedule="cosine") for rate in ADAM_RATES],
    "averaged AdamW, tuned": [
        Averaged(AdamW(rate, weight_decay=0.3), decay=0.99) for rate in ADAM_RATES
    ],
    "NAdam + linear, tuned": [NAdam(rate, schedule=linear) for rate in ADAM_RATES],
    "ScheduleFree, tuned": [
        ScheduleFree(AdamW(rate, beta_1=0.0, weight_decay=0.0)) for rate in ADAM_RATES
    ],
    "Muon, tuned": [Muon(rate, adamw_learning_rate=rate / 20) for rate in MUON_RATES],
    "SGD + momentum, tuned": [SGD(rate, momentum=0.9, nesterov=True) for rate in SGD_RATES],
    # On the minibatches of the task, as all others; it was made for full batches.
    "Rprop, tuned": [Rprop(rate) for rate in ADAM_RATES],
    "L-BFGS": [LBFGS()],
}

#: The baselines that a new rule is judged by while it is made.
FEW = (REFERENCE, "AdamW, tuned", "Adam 1e-3", "Adam 3e-3", "ScheduleFree", "averaged AdamW")
