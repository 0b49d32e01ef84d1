"""Evidence about the data: scales, columns without information, labels."""

import numpy as np

from sklearn_metabp.diagnostics.course import Course
from sklearn_metabp.diagnostics.evidence import NOTHING, Evidence

# Usual standard deviations of y, and the largest usual distance of its mean from 0, divided by the
# standard deviation.
_USUAL, _FAR = (0.1, 10.0), 3.0


def unscaled_inputs(course: Course) -> Evidence | None:
    """Look for columns of X whose size is far from 1."""
    if len(course.X) < 2:
        return None
    sizes = np.sqrt((course.X**2).mean(axis=0))
    column = int(sizes.argmax())
    largest = float(sizes[column])
    if largest == 0:
        return NOTHING
    smallest = float(sizes[sizes > 0].min())
    facts: dict[str, float | str] = {
        "column": f"feature {column} of the time steps"
        if course.is_recurrent
        else f"column {column} of X",
        "mean": float(course.X[:, column].mean()),
        "deviation": float(course.X[:, column].std()),
        "smallest": smallest,
        "largest": largest,
    }
    return Evidence(max(largest, 1 / largest), facts)


def unscaled_targets(course: Course) -> Evidence | None:
    """Look for a y whose mean or spread is far from that of the outputs at the start."""
    if course.has_classes or len(course.targets) < 2:
        return NOTHING
    means = np.abs(course.targets.mean(axis=0))
    deviations = course.targets.std(axis=0)
    varied = np.where(deviations > 0, deviations, 1.0)
    far = means / (_FAR * np.maximum(varied, 1.0))
    if course.start_level < _FAR:  # the output biases started at the mean
        far = np.zeros_like(far)
    # One small output among larger ones is harmless.
    small = _USUAL[0] / varied if varied.max() < _USUAL[0] else np.zeros_like(far)
    values = np.maximum.reduce([far, varied / _USUAL[1], small])
    output = int(values.argmax())
    facts: dict[str, float | str] = {
        "output": output,
        "mean": float(course.targets[:, output].mean()),
        "deviation": float(deviations[output]),
    }
    if course.level < 0.1:  # it was harmless
        return NOTHING
    return Evidence(float(values[output]), facts)


def constant_columns(course: Course) -> Evidence | None:
    """Look for columns of X that are constant, or a copy of another one."""
    X = course.X
    if len(X) < 20:
        return None
    centred = X - X.mean(axis=0)
    sizes = np.sqrt((centred**2).sum(axis=0))
    is_constant = sizes <= 1e-12 * np.maximum(np.abs(X).max(axis=0), 1e-300)
    varied = np.flatnonzero(~is_constant)
    scaled = centred[:, varied] / sizes[varied]
    scaled *= np.where(scaled[np.abs(scaled).argmax(axis=0), np.arange(len(varied))] < 0, -1, 1)
    # Equal columns have equal products with any vector.
    vectors = np.random.RandomState(0).normal(size=(2, len(X)))
    keys = np.round(vectors @ scaled, 6)
    _, counts = np.unique(keys, axis=1, return_counts=True)
    n_copies = int((counts - 1).sum())
    n_constant = int(is_constant.sum())
    if not n_copies and not n_constant:
        return NOTHING
    kinds = {
        f"{n_constant} never change{'s' * (n_constant == 1)}": n_constant,
        f"{n_copies} cop{'ies' if n_copies == 1 else 'y'} another one": n_copies,
    }
    facts: dict[str, float | str] = {
        "kinds": " and ".join(words for words, count in kinds.items() if count),
        "constant": n_constant,
        "copies": n_copies,
        "columns": X.shape[1],
        "rows": len(X),
    }
    return Evidence(float(n_constant + n_copies), facts)


def class_collapse(course: Course) -> Evidence | None:
    """Look for one class that is predicted for all rows, although there are others."""
    if course.predictions is None or not course.has_classes:
        return NOTHING
    outputs, targets = course.predictions
    if len(targets) < 20 or not np.isfinite(outputs).all():
        return NOTHING
    if targets.shape[1] == 1:
        is_softmax, middle = False, (targets.max() + targets.min()) / 2
    else:
        is_softmax = bool((targets.sum(axis=1) == 1).all())
        middle = 0.5
    if not is_softmax and targets.shape[1] > 1:
        return NOTHING  # several labels for each row
    predicted = outputs.argmax(axis=1) if is_softmax else (outputs[:, 0] > middle).astype(int)
    actual = targets.argmax(axis=1) if is_softmax else (targets[:, 0] > middle).astype(int)
    share = float(np.bincount(predicted).max()) / len(predicted)
    commonest = float(np.bincount(actual).max()) / len(actual)
    n_others = int(len(actual) - np.bincount(actual).max())
    if n_others < 3:
        return NOTHING
    return Evidence(share, {"share": share, "commonest": commonest, "others": n_others})
