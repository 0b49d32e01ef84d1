"""Measure the cost of activation functions, dropout and sparse rows over the plain dense step.

A step here is the forward and the backward pass of one minibatch, without a rule. The table has the
microseconds of each variant and its ratio to the plain step of the same sizes. All are timed in
turns, in processor time, on one BLAS thread. Run ``python benchmarks/step_variants.py``.
"""

import argparse
import time

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklearn_metabp.network import HIDDEN_ACTIVATIONS, Network, ParameterLayout


def make_step(
    sizes, X, batch_size, *, activation="relu", dropout=0.0, loss="log_loss", out="softmax"
):
    """Return a function that takes a step on the next batch of shuffled rows."""
    layout = ParameterLayout(sizes, X.dtype)
    rng = np.random.default_rng(0)
    params = (rng.standard_normal(layout.n_params) / np.sqrt(sizes[0])).astype(X.dtype)
    network = Network(layout, (activation,) * (len(sizes) - 2), out, loss, 1e-4, dropout)
    n = X.shape[0]
    key = 0 if dropout else None
    backprop = network.backprop(params, np.zeros_like(params), batch_size, dropout_key=key)
    targets = np.eye(sizes[-1], dtype=X.dtype)[rng.integers(0, sizes[-1], n)]
    backprop.load(X, targets, None, rng.permutation(n))
    starts = iter(range(10**9))

    def step():
        start = next(starts) * batch_size % (n - batch_size + 1)
        backprop.gradients(start, start + batch_size)

    return step


def compare(title: str, variants: dict, n_rounds: int, n_steps: int) -> None:
    """Print a table that compares every variant with the first one."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(n_rounds):
        for name, step in variants.items():
            step()
            start = time.process_time()
            for _ in range(n_steps):
                step()
            seconds[name].append((time.process_time() - start) / n_steps)
    plain = next(iter(variants))
    print(f"\n{title}\n{'':<32} {'µs a step':>10} {'times the first':>16}")
    for name, values in seconds.items():
        ratio = np.median(np.divide(values, seconds[plain]))
        print(f"{name:<32} {np.median(values) * 1e6:>10.1f} {ratio:>16.2f}", flush=True)


def main(n_rounds: int) -> None:
    rng = np.random.default_rng(1)
    for dtype in (np.float64, np.float32):
        name = np.dtype(dtype).name
        X = rng.uniform(size=(1800, 64)).astype(dtype)
        sizes = (64, 100, 10)
        variants = {"relu": make_step(sizes, X, 200)}
        for activation in HIDDEN_ACTIVATIONS:
            if activation not in ("relu", "identity"):
                variants[activation] = make_step(sizes, X, 200, activation=activation)
        variants["relu, dropout 0.5"] = make_step(sizes, X, 200, dropout=0.5)
        variants["tanh, dropout 0.5"] = make_step(sizes, X, 200, activation="tanh", dropout=0.5)
        compare(f"64-100-10, batches of 200, {name}", variants, n_rounds, 30)

        for density in (0.1, 0.01, 0.001):
            rows = sparse.random_array(
                (1000, 5000), density=density, format="csr", dtype=dtype, random_state=rng
            )
            sizes = (5000, 100, 20)
            variants = {
                "dense": make_step(sizes, np.ascontiguousarray(rows.toarray()), 200),
                "sparse": make_step(sizes, rows, 200),
            }
            title = f"5000-100-20, batches of 200, {density:.1%} of X is not zero, {name}"
            compare(title, variants, n_rounds, 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=15, help="timings of each variant (default 15)"
    )
    with threadpool_limits(1, "blas"):
        main(parser.parse_args().rounds)
