"""Evidence about steps: their length, their noise and their direction."""

import numpy as np

from sklearn_metabp.diagnostics.course import Course
from sklearn_metabp.diagnostics.evidence import NOTHING, Evidence, median, times
from sklearn_metabp.diagnostics.looks import Look

# A loss of this many times the loss at the start is a blow-up, even if it falls again later.
_BLOWN_UP = 3.0
# Levels of the loss. Below the first, the training was good enough, so the length of its steps does
# not matter. Above the second, it learned little.
_GOOD, _POOR = 0.05, 0.5


def lengths(looks: list[Look]) -> list[float]:
    """Return the lengths of steps, over those to the minimum."""
    return [look.length for look in looks]


def signal(looks: list[Look]) -> float:
    """Return the squared gradient over its noise, summed over looks. It is 1 for pure noise.

    NaN if the noise is unknown at all looks.
    """
    known = [look for look in looks if not np.isnan(look.variance)]
    if not known:
        return np.nan
    squares = sum(look.square for look in known)
    noise = sum(look.variance / look.n_patterns for look in known)
    return float(squares / noise) if noise > 0 else np.inf


def rate_too_high(course: Course) -> Evidence | None:
    """Look for steps of more than twice the way to the minimum, and a loss that rises."""
    if not course.ending.takes_steps:
        return NOTHING
    first, late = lengths(course.first), lengths(course.late)
    diverged = course.ending.divergence is not None
    start = max(course.looks[0].loss, course.constant)
    peak = course.peak / start
    typical = max(np.nan_to_num([median(first), median(late)]))
    # On a parabola, a step to P times the height goes 1 + √P times the way to the minimum.
    longest = max([1 + np.sqrt(peak), *np.nan_to_num(first)]) if peak > _BLOWN_UP else 0.0
    value = max(typical, longest)
    if diverged and not value > 2:
        value = max(np.nan_to_num(lengths(course.looks)), default=0.0)
        value = max(value, 10.0)  # the last step was not looked at
    turns = median([look.cosine for look in course.late]) < -0.5
    suffers = diverged or peak > _BLOWN_UP or course.level > _POOR or (turns and course.rises > 0.1)
    if not suffers:
        return NOTHING
    since = next((look for look in course.looks if look.length > 2), course.looks[-1])
    return Evidence(
        value,
        {
            "times": times(value),
            "outcome": "the training diverged"
            if diverged
            else f"the loss rose to {times(peak)} times that at the start"
            if peak > _BLOWN_UP
            else f"the loss ended at {times(course.level)} times that of a constant",
        },
        since,
    )


def rate_too_low(course: Course) -> Evidence | None:
    """Look for steps of a tiny part of the way to the minimum, and a high loss."""
    if not course.ending.takes_steps or not course.level > _POOR:
        return NOTHING
    typical = [median(lengths(looks)) for looks in (course.first, course.late)]
    if np.isnan(typical).any():
        return None
    length = max(typical)
    sizes = [
        median([float(np.sqrt(look.square)) for look in looks])
        for looks in (course.first, course.late)
    ]
    still_steep = sizes[0] > 0 and sizes[1] > 0.5 * sizes[0]
    changed = median([_largest_change(look) for look in course.looks])
    if not still_steep or length < -0.01 or changed > 0.01:
        return NOTHING
    value = min(1 / length if length > 0 else np.inf, 1e6)
    return Evidence(value, {"times": times(value), "level": course.level})


def _largest_change(look: Look) -> float:
    """Return the largest update norm of a weight matrix or bias vector over the weight norms."""
    size = float(look.weight_norms.max())
    return float(look.update_norms.max()) / size if size > 0 else np.inf


def oscillation(course: Course) -> Evidence | None:
    """Look for a loss that often rises by much."""
    if not course.ending.takes_steps or np.isnan(course.rises):
        return NOTHING
    if np.isnan(signal(course.late)):
        return None
    losses = course.epoch_losses[course.n_epochs // 2 :]
    n_rises = int((np.diff(losses) > 0).sum())
    # Losses of noisy batches rise and fall too. The problem is then the noise.
    value = course.rises if signal(course.late) >= 3 else 0.0
    return Evidence(value, {"rises": n_rises, "epochs": len(losses) - 1, "sum": course.rises})


def noisy_steps(course: Course) -> Evidence | None:
    """Look for noise of steps that causes a large part of a loss that no longer falls."""
    late = course.late
    if not course.ending.takes_steps or not np.isfinite(course.level) or course.level < _GOOD:
        return NOTHING
    costs = [look.cost for look in late if np.isfinite(look.cost)]
    cost = float(np.mean(np.maximum(costs, 0))) / course.constant if costs else np.nan
    in_noise = signal(late)
    is_noise = np.isnan(in_noise) or in_noise < 3
    falls = course.unfinished > 0.05
    if not is_noise or falls or np.isnan(cost):
        return NOTHING
    losses = course.epoch_losses[course.n_epochs // 2 :]
    since = course.since([look.cost > 0.002 * course.constant for look in course.looks])
    spread = float(losses.std()) / course.constant if len(losses) > 1 else 0.0
    return Evidence(cost, {"cost": cost, "batch": late[-1].n_patterns, "spread": spread}, since)


def no_signal(course: Course) -> Evidence | None:
    """Look for gradients of noise, and errors of neighbouring rows without correlation."""
    late, structure = course.late, course.structure
    if np.isnan(signal(late)) or np.isnan(structure):
        return None
    if not course.level > 0.8 or structure > 0.2 or signal(late) > 2:
        return NOTHING
    flags = [signal(course.looks[k : k + 3]) < 2.5 for k in range(len(course.looks))]
    facts: dict[str, float | str] = {"signal": signal(late), "structure": structure}
    return Evidence(course.level, facts, course.since(flags) or late[0])


def needlessly_large_batches(course: Course) -> Evidence | None:
    """Look for gradients with very little noise, in a training that ended too early."""
    late = course.late
    in_noise = signal(course.looks)
    if not course.ending.takes_steps or np.isnan(in_noise):
        return NOTHING
    batch = late[-1].n_patterns
    if batch < 256 or not course.unfinished > 0.02 or not course.level > _GOOD:
        return NOTHING
    known = [look for look in course.looks if not np.isnan(look.variance)]
    variance = sum(look.variance for look in known)
    square = sum(look.square - look.variance / look.n_patterns for look in known)
    enough = variance / square if square > 0 else np.inf
    return Evidence(batch / enough if enough > 0 else 1e6, {"batch": batch, "enough": enough})


def decay_too_strong(course: Course) -> Evidence | None:
    """Look for a penalty that is stronger than the data, or weights that become very small."""
    if not course.level > 0.3:
        return NOTHING
    pull = median([look.penalty for look in course.first])
    before, after = (float(np.linalg.norm(look.weight_norms)) for look in
                     (course.looks[0], course.looks[-1]))  # fmt: skip
    shrunk = before / after if 0 < after < np.inf else 0.0
    facts: dict[str, float | str] = {"pull": pull, "share": after / before if before > 0 else 1.0}
    return Evidence(max(pull, 0.1 * shrunk), facts)
