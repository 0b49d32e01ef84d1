"""The recipe of the estimators for tables: their networks, and how long and by which score.

All its numbers are here. They were chosen on one half of the sets of ``benchmarks/tables.py`` and
are reported on the other.
"""

import math
from typing import Any

from sklearn.base import BaseEstimator

from sklearn_metabp.embeddings import PeriodicEmbedding
from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.network import Tensor
from sklearn_metabp.update_rules import AdamW, Averaged, Layerwise

# Epochs of a small table. A larger one has fewer, so that they present about _ROWS rows in all.
_EPOCHS, _ROWS, _LEAST_EPOCHS = 256, 800_000, 48


class InputRates(BaseEstimator):
    """Factors of the learning rate for :class:`Layerwise`: those of scales and of an embedding.

    Unlike a dictionary it also serves a network that has neither of them.

    Parameters
    ----------
    scales : float, default=6.0
        Factor of ``input_scales_``, at least 0.
    embedding : float, default=0.1
        Factor of the parameters of an embedding, at least 0.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default" (2024), have these factors in
    RealMLP.

    Examples
    --------
    >>> from sklearn_metabp import AdamW, Layerwise
    >>> from sklearn_metabp.tabular import InputRates
    >>> Layerwise(AdamW(), rates=InputRates(scales=3.0))
    Layerwise(rates=InputRates(scales=3.0), rule=AdamW())
    """

    def __init__(self, scales: float = 6.0, embedding: float = 0.1) -> None:
        self.scales = scales
        self.embedding = embedding

    def __call__(self, tensor: Tensor) -> float:
        """Return the factor of a tensor; 1 for weights and biases."""
        if tensor.name == "input_scales_":
            return self.scales
        return self.embedding if tensor.name.startswith("embedding_") else 1.0


def _rule(weight_decay: float, schedule: str) -> AdamW:
    return AdamW(2.5e-3, beta_2=0.95, weight_decay=weight_decay, schedule=schedule)


def _common_parameters() -> dict[str, Any]:
    return {
        "hidden_layer_sizes": (256, 256, 256),
        "alpha": 0.0,
        "batch_size": 256,
        "n_iter_no_change": math.inf,
        "early_stopping": True,
        "validation_fraction": 0.2,
        "tied_epochs": "last",
    }


def network_for_classes() -> BackpropMLPClassifier:
    """Return the default network of :class:`TabularMLPClassifier`."""
    return BackpropMLPClassifier(
        activation="elu",
        numeric_embedding=PeriodicEmbedding(),
        update_rule=_rule(0.1, "cosine"),
        dropout=0.15,
        label_smoothing=0.03,
        **_common_parameters(),
    )


def network_for_numbers() -> BackpropMLPRegressor:
    """Return the default network of :class:`TabularMLPRegressor`."""
    return BackpropMLPRegressor(
        activation="relu",
        update_rule=Averaged(Layerwise(_rule(1.0, "coslog4"), rates=InputRates()), decay=0.99),
        scaling_layer=True,
        numeric_embedding=PeriodicEmbedding(),
        **_common_parameters(),
    )


def count_epochs(n_rows: int) -> int:
    """Return the number of epochs for so many rows.

    Examples
    --------
    >>> from sklearn_metabp.tabular.recipe import count_epochs
    >>> [count_epochs(n_rows) for n_rows in (100, 10_000, 100_000)]
    [256, 80, 48]
    """
    return max(min(_EPOCHS, _ROWS // max(n_rows, 1)), _LEAST_EPOCHS)
