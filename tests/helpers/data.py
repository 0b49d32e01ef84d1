"""Small data sets, drawn from a seed."""

import numpy as np


def classes(kind, *, n=60, n_features=4, seed=0, dtype=np.float64):
    """Return X and y with labels of a kind: "binary", "multiclass", "multilabel" or "strings"."""
    rng = np.random.default_rng([seed, n])
    X = rng.standard_normal((n, n_features))
    scores = X @ rng.standard_normal((n_features, 3)) + 0.3 * rng.standard_normal((n, 3))
    if kind == "multilabel":
        return X.astype(dtype), (scores > 0).astype(int)
    y = (scores[:, 0] > 0).astype(int) if kind == "binary" else scores.argmax(axis=1)
    if kind == "strings":
        y = np.array(["ant", "bee", "cat"])[y]
    return X.astype(dtype), y


def numbers(n_outputs=1, *, n=60, n_features=4, seed=0, dtype=np.float64):
    """Return X, and y with one number per row (flat) or several."""
    rng = np.random.default_rng([seed, n, n_outputs])
    X = rng.standard_normal((n, n_features))
    y = np.tanh(X @ rng.standard_normal((n_features, n_outputs)))
    y += 0.1 * rng.standard_normal(y.shape)
    return X.astype(dtype), (y.ravel() if n_outputs == 1 else y).astype(dtype)
