"""Evidence about the end of a training, and about its course with more epochs."""

import numpy as np

from sklearn_metabp.diagnostics.course import Course
from sklearn_metabp.diagnostics.evidence import NOTHING, Evidence, times


def plateau(course: Course) -> Evidence | None:
    """Count the epochs in which the loss was that of a constant prediction."""
    losses = course.epoch_losses
    if len(losses) < 5:
        return NOTHING
    is_flat = np.abs(losses / course.constant - 1) < 0.05
    share = float(is_flat.mean())
    first = int(is_flat.argmax())
    since = next((look for look in course.looks if look.epoch >= first), course.looks[-1])
    return Evidence(share, {"share": share, "level": course.level}, since)


def too_stiff(course: Course) -> Evidence | None:
    """Look for a constant loss while errors of neighbouring rows have the same sign."""
    structure = course.structure
    if np.isnan(structure) or np.isnan(course.unfinished):
        return None
    if not 0.1 < course.level < 1.02 or course.unfinished > 0.05:
        return NOTHING
    width = min(course.network.layout.layer_sizes[1:-1], default=0)
    return Evidence(
        structure - course.structure_error,
        {"structure": structure, "level": course.level, "width": width},
    )


def memorising(course: Course) -> Evidence | None:
    """Look for a validation loss that rises while the training loss falls."""
    losses = course.ending.validation_losses
    losses = losses[~np.isnan(losses)]
    if len(losses) < 5:
        return None
    best, last = float(losses.min()), float(losses[-1])
    if not best > 0 or not course.end_loss < 0.5 * last or last < 0.3 * course.constant:
        return NOTHING
    epoch = int(losses.argmin())
    since = next((look for look in course.looks if look.epoch >= epoch), course.looks[-1])
    facts: dict[str, float | str] = {
        "times": times(last / best),
        "train": course.end_loss,
        "last": last,
    }
    return Evidence(last / best, facts, since)


def _cut_short(course: Course, value: float) -> Evidence:
    facts: dict[str, float | str] = {
        "rest": value,
        "more": course.n_more,
        "epochs": course.n_epochs,
    }
    # After a blow-up, the loss or the penalty is high, and falls for other reasons.
    blew_up = course.level > 2 or (course.epoch_losses[-1:] > 2 * course.constant).any()
    return NOTHING if blew_up or course.level < 0.05 else Evidence(value, facts)


def patience_too_short(course: Course) -> Evidence | None:
    """Look for a training that patience ended while the loss still fell."""
    if not course.ending.is_known:
        return None
    if not course.ending.ran_out_of_patience:
        return NOTHING
    validated = len(course.ending.validation_losses) > 0
    return _cut_short(course, course.unfinished_validation if validated else course.unfinished)


def too_few_epochs(course: Course) -> Evidence | None:
    """Look for a training that ended otherwise while the loss still fell, such as by its limit."""
    ending = course.ending
    if ending.divergence is not None or ending.ran_out_of_patience:
        return NOTHING
    return _cut_short(course, course.unfinished)
