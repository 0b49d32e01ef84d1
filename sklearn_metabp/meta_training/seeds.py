"""Random numbers of a search, which depend on its seed and on a number alone."""

import numpy as np

# Streams of the random numbers of a pair, and of an iteration.
NOISE, RESTARTS = 1, 2


def seeded(seed: int, number: int, stream: int) -> np.random.RandomState:
    """Return the generator of a number and a stream."""
    return np.random.RandomState(np.random.PCG64(np.random.SeedSequence([seed, number, stream])))
