"""Small recorded trainings, and the comparison of two traces."""

from pathlib import Path

import numpy as np

from sklearn_metabp import BackpropMLPClassifier

FIXED = {"n_iter_no_change": np.inf, "max_iter": 4}
ARRAYS = ("params", "updates", "gradients", "targets", "outputs")
LAYERS = ("activations", "net_inputs", "derivatives", "deltas")
SCALARS = ("losses", "indices", "epochs", "n_patterns", "runs")


def model(sizes=(5,), rule="adam", **params):
    params = {"batch_size": 16, "random_state": 0} | FIXED | params
    return BackpropMLPClassifier(sizes, update_rule=rule, **params)


def assert_same(trace, other, names=(*ARRAYS, *LAYERS, *SCALARS)):
    """Assert that two traces are equal to the bit."""
    assert len(trace) == len(other)
    for name in names:
        ours, theirs = getattr(trace, name), getattr(other, name)
        ours, theirs = (a if isinstance(a, list) else [a] for a in (ours, theirs))
        for one, two in zip(ours, theirs, strict=True):
            assert one.dtype == two.dtype, name
            assert one.shape == two.shape, name
            assert one.tobytes() == two.tobytes(), name


def chunk_files(path):
    return sorted(Path(path).glob("*/*.safetensors"))
