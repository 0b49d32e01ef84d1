"""Evidence about neurons that do not learn, and about gradients that vanish or explode."""

import numpy as np

from sklearn_metabp.diagnostics.course import Course
from sklearn_metabp.diagnostics.evidence import NOTHING, Evidence, median, times

# If fewer neurons than this are left in a layer, dropout is the reason for a poor fit.
_FEW_NEURONS = 3
# Below this level, neurons that do not learn are harmless.
_GOOD = 0.1
# Above this level, little was learned.
_POOR = 0.5


def dead_neurons(course: Course) -> Evidence | None:
    """Look for neurons without a slope at any pattern of the late looks."""
    late, looks = course.late, course.looks
    if sum(look.n_patterns for look in late) < 30:
        return None
    worst = NOTHING
    for layer in range(len(late[0].idle)):
        idle = np.array([look.idle[layer] for look in looks])
        dead = np.logical_and.accumulate(idle[::-1], axis=0)[::-1]  # from this look to the end
        share = float(dead[-len(late)].mean())
        if share > worst.value:
            flags = dead.mean(axis=1) >= 0.9 * share
            since = looks[int(flags.argmax())]
            worst = Evidence(share, {"share": share}, since, layer + 1, course.level < _GOOD)
    return worst


def saturated_neurons(course: Course) -> Evidence | None:
    """Look for neurons on the flat parts of their activation function."""
    worst = NOTHING
    for layer in range(len(course.late[0].saturated)):
        share = median([float(look.saturated[layer]) for look in course.late])
        if share > worst.value:
            since = course.since([look.saturated[layer] > 0.9 * share for look in course.looks])
            facts: dict[str, float | str] = {"share": share}
            since = since or course.late[0]
            worst = Evidence(share, facts, since, layer + 1, course.level < _GOOD)
    return worst


def _ratio_of_deltas(course: Course) -> float:
    """Return the size of the first layer's deltas over that of the last one's, at the start."""
    ratios = [
        look.delta_sizes[0] / look.delta_sizes[-1]
        for look in course.first
        if len(look.delta_sizes) > 1 and look.delta_sizes[-1] > 0
    ]
    return median(ratios)


def _way_back(course: Course, of_layers: str, of_time: str) -> dict[str, float | str]:
    """Return the facts about the way of the errors, with a remedy for layers and for time."""
    if course.is_recurrent:
        return {"way": "from the last time steps to the first", "remedy": of_time}
    n_layers = len(course.looks[0].delta_sizes)
    return {"way": f"through {n_layers} layers", "remedy": of_layers, "layers": n_layers}


def vanishing_gradients(course: Course) -> Evidence | None:
    """Look for deltas that become tiny on the way back."""
    ratio = _ratio_of_deltas(course)
    if np.isnan(ratio) or ratio == 0:  # a layer that is dead, or equal to 0, is another finding
        return NOTHING
    if course.is_recurrent and not course.level > _POOR:  # the last time steps were enough
        return NOTHING
    way = _way_back(
        course,
        "use relu or gelu in place of logistic, fewer layers, or larger weights at the start",
        "use cell='gru' or init='orthogonal', or shorter sequences",
    )
    return Evidence(1 / ratio, {"times": times(1 / ratio), **way})


def exploding_gradients(course: Course) -> Evidence | None:
    """Look for deltas that become huge on the way back."""
    ratio = _ratio_of_deltas(course)
    if np.isnan(ratio):
        return NOTHING
    way = _way_back(
        course,
        "start from smaller weights (init='glorot_uniform'), or wrap the rule in Clipped",
        "wrap the rule in Clipped, start from smaller weights, or truncate by bptt_steps",
    )
    return Evidence(ratio, {"times": times(ratio), **way})


def equal_neurons(course: Course) -> Evidence | None:
    """Look for neurons with the same weights, from the first step to the last look."""
    worst, layout = NOTHING, course.network.layout
    if course.params is None:
        return NOTHING
    before, after = layout.coefs(course.first_params)[:-1], layout.coefs(course.params)[:-1]
    if course.is_recurrent:  # one layer, which receives inputs and states
        before, after = [np.concatenate(before)], [np.concatenate(after)]
    for layer, (first, last) in enumerate(zip(before, after, strict=True)):
        share = min(share_of_twins(first), share_of_twins(last))
        if share > worst.value:
            worst = Evidence(share, {"share": share}, course.looks[0], layer + 1)
    return worst


def share_of_twins(weights: np.ndarray) -> float:
    """Return the share of columns that another column equals."""
    _, counts = np.unique(weights, axis=1, return_counts=True)
    return float(counts[counts > 1].sum()) / weights.shape[1]


def dropout_too_strong(course: Course) -> Evidence | None:
    """Look for a loss that stays high with dropout, and is much lower without it."""
    if course.network.dropout == 0 or not np.isfinite(course.level):
        return NOTHING
    dropped = median([look.loss for look in course.late]) / course.constant
    gap = dropped / course.level if course.level > 0 else np.inf
    left = (1 - course.network.dropout) * min(course.network.layout.layer_sizes[1:-1])
    is_due_to_it = gap >= 1.15 or left < _FEW_NEURONS
    if not is_due_to_it or not course.structure > 0.3:  # else the rest of the loss may be noise
        return NOTHING
    facts: dict[str, float | str] = {
        "dropout": course.network.dropout,
        "level": dropped,
        "without": course.level,
    }
    return Evidence(dropped, facts)
