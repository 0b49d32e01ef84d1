"""The learner of a rule: for how long it trains, what its parameters are called, its seeds."""

import numpy as np


def for_exactly(n_epochs: int, learner):
    """Let the MLP inside a default learner train for so many epochs, whatever its loss does."""
    for name in list(learner.get_params()):
        if name == "max_iter" or name.endswith("__max_iter"):
            prefix = name.removesuffix("max_iter")
            learner.set_params(**{name: n_epochs, f"{prefix}n_iter_no_change": np.inf})
    return learner


def full_name(name: str, learner) -> str:
    """``learner__x`` as the name that x has inside the learner."""
    within = name.removeprefix("learner__")
    known = learner.get_params()
    if within == name or within.partition("__")[0] in known:
        return name
    full = [f"learner__{other}" for other in known if other.endswith(f"__{within}")]
    return full[0] if len(full) == 1 else name


def seeded(learner, random_state):
    """Seed what has no seed of its own."""
    seeds = {
        name: random_state.randint(2**31)
        for name, value in sorted(learner.get_params().items())
        if (name == "random_state" or name.endswith("__random_state")) and value is None
    }
    return learner.set_params(**seeds)
