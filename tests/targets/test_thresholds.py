"""Thresholds of scores: quantiles with weights, fences, and the best separation."""

import numpy as np
import pytest

from sklearn_metabp.targets.thresholds import (
    separating_threshold,
    upper_fence,
    weighted_quantile,
)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 1 / 3, 0.5, 1.0])
def test_quantiles_are_numpys_of_repeated_values(seed, share):
    rng = np.random.default_rng(seed)
    values, weight = rng.standard_normal(40), rng.integers(0, 4, 40)
    expected = np.quantile(np.repeat(values, weight), share, method="averaged_inverted_cdf")
    assert weighted_quantile(values, share, weight) == pytest.approx(expected, rel=1e-12)
    assert weighted_quantile(values, share, weight * 0.1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [10, 37, 300])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.37])
def test_a_share_lies_below_the_quantile(n, share):
    values = np.random.default_rng(n).standard_normal(n)
    below = (values < weighted_quantile(values, share, None)).sum()
    assert below == np.floor(n * share + 1e-9)


def test_the_fence_has_weights():
    errors, weight = np.array([1.0, 2.0, 3.0, 5.0, 10.0]), np.array([1, 0, 2, 1, 1])
    assert upper_fence(errors, weight) == upper_fence(np.repeat(errors, weight), None)


@pytest.mark.parametrize("seed", range(8))
def test_the_threshold_has_the_best_balanced_accuracy(seed):
    rng = np.random.default_rng(seed)
    signs = np.where(rng.random(30) < 0.3, -1, 1)
    signs[:2] = 1, -1
    scores, weight = rng.standard_normal(30).round(1) + signs, rng.integers(1, 4, 30)

    def accuracy(threshold):
        right = np.where(scores < threshold, -1, 1) == signs
        return np.mean([np.average(right[signs == s], weights=weight[signs == s]) for s in (-1, 1)])

    found = accuracy(separating_threshold(scores, signs, weight))
    assert found == pytest.approx(max(accuracy(t) for t in np.linspace(-5, 5, 1001)))
