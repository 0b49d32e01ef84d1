"""Where does the Jacobian's forward order get cheaper than its reverse order?

Microseconds a row of both orders, in turns, on networks with more and more outputs for their inputs, and
what ``mode="auto"`` takes. Run ``python benchmarks/jacobian_modes.py``.
"""

import argparse
import time

import numpy as np
from workloads import median_ratio

from sklearn_metabp import BackpropMLPRegressor
from sklearn_metabp.derivatives import jacobian, multiplications

# Inputs and outputs; layers between them.
ENDS = [(64, 1), (64, 4), (64, 16), (64, 32), (64, 64), (32, 64), (16, 64), (4, 64), (1, 64)]
HIDDEN = [(64, 64), (128, 16), (16, 128), (100,), ()]
N_ROWS = 500


def fitted(layer_sizes) -> BackpropMLPRegressor:
    """Return a network of these layers; what it was trained on does not matter here."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, layer_sizes[0])), rng.standard_normal((20, layer_sizes[-1]))
    model = BackpropMLPRegressor(
        layer_sizes[1:-1], "tanh", max_iter=1, n_iter_no_change=np.inf, random_state=0
    )
    return model.fit(X, y.ravel() if y.shape[1] == 1 else y)


def seconds(model, X, mode) -> float:
    start = time.perf_counter()
    jacobian(model, X, mode)
    return time.perf_counter() - start


def main(n_rounds: int) -> None:
    print(
        f"{'hidden layers':<14} {'inputs':>7} {'outputs':>8} {'forward µs':>11} {'reverse µs':>11} "
        f"{'forward / reverse':>18} {'counted':>8}  auto"
    )
    for hidden in HIDDEN:
        for n_features, n_outputs in ENDS:
            layer_sizes = (n_features, *hidden, n_outputs)
            model = fitted(layer_sizes)
            X = np.random.default_rng(1).standard_normal((N_ROWS, n_features))
            times: dict[str, list[float]] = {"forward": [], "reverse": []}
            for number in range(n_rounds + 1):
                for mode, of_mode in times.items():
                    elapsed = seconds(model, X, mode)
                    if number:  # the first round warms up
                        of_mode.append(elapsed)
            counts = multiplications(layer_sizes)
            forward, reverse = (np.median(times[mode]) / N_ROWS * 1e6 for mode in ("forward", "reverse"))
            between = "-".join(map(str, hidden)) or "none"
            print(
                f"{between:<14} {n_features:7} {n_outputs:8} {forward:11.2f} {reverse:11.2f} "
                f"{median_ratio(times['forward'], times['reverse']):18.2f} "
                f"{counts['forward'] / counts['reverse']:8.2f}  {min(counts, key=lambda name: counts[name])}",
                flush=True,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="of both orders (default 15)")
    main(parser.parse_args().rounds)
