"""Tables with numbers, categories, booleans and gaps, and what to learn from them."""

import numpy as np
import pandas as pd

from sklearn_metabp import Adam, TabularMLPClassifier, TabularMLPRegressor


def make_table(n_rows=240, seed=0, gaps=0.1):
    """Return a frame whose y depends on a number, a category and a boolean."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(5.0, 2.0, n_rows),
            "rooms": rng.integers(1, 9, n_rows),
            "district": pd.Categorical(rng.choice(["old", "new", "far"], n_rows)),
            "owner": rng.choice(["Ann", "Bob", "Eve"], n_rows).astype(object),
            "garden": rng.random(n_rows) < 0.5,
            "grade": pd.Categorical(rng.integers(0, 3, n_rows)),
        }
    )
    score = frame["size"] - 5 + 3.0 * (frame["district"] == "old") - 2.0 * frame["garden"]
    for name in ("size", "district", "owner"):
        frame.loc[rng.random(n_rows) < gaps, name] = None
    return frame, score.to_numpy()


def labels_of(score):
    """Return two classes that are strings."""
    return np.where(score > 0, "dear", "cheap")


def quick(kind, **params):
    """Return an estimator for tables with a small network and few epochs."""
    network = kind.default_network().set_params(
        hidden_layer_sizes=(16,), dropout=0.0, update_rule=Adam(0.02)
    )
    return kind(**{"network": network, "max_iter": 30, "random_state": 0, **params})


def quick_classifier(**params):
    return quick(TabularMLPClassifier, **params)


def quick_regressor(**params):
    return quick(TabularMLPRegressor, **params)
