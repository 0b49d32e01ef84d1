"""Measure what the kernel of the link scope takes for a link, by itself.

The network is 64-100-10. Times are processor time, the lowest of many steps. Run
``python benchmarks/link_rule.py``.
"""

import time
from itertools import pairwise

import numpy as np

from sklearn_metabp._kernels.scopes import LINK_INPUTS, LinkRule, link_history
from sklearn_metabp.learned import DEFAULT_INPUTS

SIZES = (64, 100, 10)
MORE_INPUTS = (*DEFAULT_INPUTS, "weight", "is_bias", "is_output", "depth", "gradient/peak_0.999")
MLPS = {
    "linear": (DEFAULT_INPUTS, (), "relu"),
    "8 relu, the default": (DEFAULT_INPUTS, (8,), "relu"),
    "16 relu": (DEFAULT_INPUTS, (16,), "relu"),
    "16 tanh": (DEFAULT_INPUTS, (16,), "tanh"),
    "8, 8 relu": (DEFAULT_INPUTS, (8, 8), "relu"),
    "12 inputs, 32 relu": (MORE_INPUTS, (32,), "relu"),
}


def count_params(sizes) -> int:
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def nanoseconds(inputs, hidden, function, dtype, n_rounds=60, n_steps=10) -> float:
    rng = np.random.default_rng(0)
    n, codes = count_params(SIZES), np.array([LINK_INPUTS.index(name) for name in inputs])
    mlp_sizes = np.array([len(codes), *hidden, 1])
    gradients, params = rng.standard_normal((2, n)).astype(dtype)
    rule = LinkRule(
        gradients,
        params,
        link_history(codes, n, dtype),
        np.zeros(n, dtype),
        np.array(SIZES),
        codes,
        1e-8,
        rng.standard_normal(count_params(mlp_sizes)).astype(dtype),
        mlp_sizes,
        function,
        "identity",
        1.0,
        1,
        0.01,
    )
    best = np.inf
    for _ in range(n_rounds):
        began = time.process_time()
        for t in range(1, n_steps + 1):
            rule.update(t)
        best = min(best, time.process_time() - began)
    return 1e9 * best / n_steps / n


if __name__ == "__main__":
    print(f"{'MLP':<22}{'float64':>9}{'float32':>9}  ns a link")
    for name, mlp in MLPS.items():
        times = [nanoseconds(*mlp, dtype) for dtype in (np.float64, np.float32)]
        print(f"{name:<22}" + "".join(f"{value:9.2f}" for value in times), flush=True)
