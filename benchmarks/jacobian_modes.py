"""Compare the time of the Jacobian's forward order with that of its reverse order.

The table has the microseconds per row of both orders, in turns, on networks with more and more
outputs for their inputs, and the choice of ``mode="auto"``. Run
``python benchmarks/jacobian_modes.py``.
"""

import argparse
import time

import numpy as np
from workloads import median_ratio

from sklearn_metabp import BackpropMLPRegressor
from sklearn_metabp.derivatives import jacobian, multiplications
from sklearn_metabp.derivatives.jacobians import cheaper_mode

# Pairs of inputs and outputs, and the layers between them.
ENDS = [(64, 1), (64, 4), (64, 16), (64, 32), (64, 64), (32, 64), (16, 64), (4, 64), (1, 64)]
HIDDEN = [(64, 64), (128, 16), (16, 128), (100,), ()]
N_ROWS = 500


def fitted(layer_sizes) -> BackpropMLPRegressor:
    """Return a network of these layers; its training data do not matter here."""
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


def measure(hidden, n_features, n_outputs, n_rounds) -> str:
    """Print a line on one network; return the measured and the counted quotient of the orders."""
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
    ratio = median_ratio(times["forward"], times["reverse"])
    counted = counts["forward"] / counts["reverse"]
    print(
        f"{name_of(hidden):<14} {n_features:7} {n_outputs:8} {forward:11.2f} {reverse:11.2f} "
        f"{ratio:18.2f} {counted:8.2f}  {cheaper_mode(layer_sizes)}",
        flush=True,
    )
    return f"{ratio:.2f} ({counted:.2f})"


def name_of(hidden) -> str:
    """Return the name of a column for these hidden layers."""
    return "-".join(map(str, hidden)) or "none"


def main(n_rounds: int) -> None:
    print(
        f"{'hidden layers':<14} {'inputs':>7} {'outputs':>8} {'forward µs':>11} {'reverse µs':>11} "
        f"{'forward / reverse':>18} {'counted':>8}  auto"
    )
    quotients = {hidden: [measure(hidden, *ends, n_rounds) for ends in ENDS] for hidden in HIDDEN}
    print("\nforward / reverse, measured (counted)")
    print(f"{'inputs':>7} {'outputs':>8}" + "".join(f"{name_of(hidden):>16}" for hidden in HIDDEN))
    for number, (n_features, n_outputs) in enumerate(ENDS):
        columns = "".join(f"{quotients[hidden][number]:>16}" for hidden in HIDDEN)
        print(f"{n_features:7} {n_outputs:8}{columns}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31, help="rounds of both orders (default 31)")
    main(parser.parse_args().rounds)
