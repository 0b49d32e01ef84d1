"""The recipe of the estimators for tables: their networks, and how long and by which score.

All its numbers are here. They were chosen on one half of the sets of ``benchmarks/tables.py`` and
are reported on the other.
"""

import math
from typing import Any

from sklearn_metabp.embeddings import PeriodicEmbedding
from sklearn_metabp.estimators import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.update_rules import AdamW, Averaged, Layerwise

# Epochs of a small table. A larger one has fewer, so that they present about _ROWS rows in all.
_EPOCHS, _ROWS, _LEAST_EPOCHS = 256, 1_000_000, 48

# Factors of the learning rate, by which a column of numbers scales quickly and bends slowly.
_RATE_OF_SCALES, _RATE_OF_EMBEDDING = 6.0, 0.1
_OF_EMBEDDING = (
    "embedding_frequencies_",
    "embedding_phases_",
    "embedding_coefs_",
    "embedding_intercepts_",
)


def _rule(schedule: str) -> AdamW:
    return AdamW(2.5e-3, beta_2=0.95, weight_decay=1.0, schedule=schedule)


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


def network_for_classes(n_numeric: int) -> BackpropMLPClassifier:
    """Return the default network of :class:`TabularMLPClassifier`.

    The first ``n_numeric`` inputs are numbers.
    """
    return BackpropMLPClassifier(
        activation="elu", update_rule=_rule("cosine"), dropout=0.15, **_common_parameters()
    )


def network_for_numbers(n_numeric: int) -> BackpropMLPRegressor:
    """Return the default network of :class:`TabularMLPRegressor`.

    The first ``n_numeric`` inputs are numbers.
    """
    rule, embedding, rates = _rule("coslog4"), None, {"input_scales_": _RATE_OF_SCALES}
    if n_numeric:
        embedding = PeriodicEmbedding(columns=slice(0, n_numeric))
        rates |= dict.fromkeys(_OF_EMBEDDING, _RATE_OF_EMBEDDING)
    return BackpropMLPRegressor(
        activation="relu",
        update_rule=Averaged(Layerwise(rule, rates=rates), decay=0.99),
        scaling_layer=True,
        numeric_embedding=embedding,
        **_common_parameters(),
    )


def count_epochs(n_rows: int) -> int:
    """Return the number of epochs for so many rows.

    Examples
    --------
    >>> from sklearn_metabp.tabular.recipe import count_epochs
    >>> [count_epochs(n_rows) for n_rows in (100, 10_000, 100_000)]
    [256, 100, 48]
    """
    return max(min(_EPOCHS, _ROWS // max(n_rows, 1)), _LEAST_EPOCHS)
