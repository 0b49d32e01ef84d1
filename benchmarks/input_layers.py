"""Compare steps of a training with and without scaling layer and numeric embedding.

A network of three hidden layers of 256 on 20 numeric columns, batches of 256 rows, float32, Adam.
Every side trains on the same rows. "plain" is the network without input layer, and "as wide" one
whose first layer has as many inputs as the embedding makes, 80. The columns are the time of a fit
over that of either. Times are processor time of one thread, the sides in turns in one run; the
numbers are medians of the ratios. Run ``python benchmarks/input_layers.py``.
"""

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from sklearn_metabp import BackpropMLPRegressor, PeriodicEmbedding, PiecewiseLinearEmbedding

SIDES: dict[str, dict] = {
    "scaling layer": {"scaling_layer": True},
    "periodic, 16 waves, 4 outputs": {"numeric_embedding": PeriodicEmbedding()},
    "periodic with scaling layer": {
        "numeric_embedding": PeriodicEmbedding(),
        "scaling_layer": True,
    },
    "piecewise linear, 16 bins, 4 outputs": {"numeric_embedding": PiecewiseLinearEmbedding()},
}


def fit_of(X: np.ndarray, y: np.ndarray, n_epochs: int, **options: object) -> Callable[[], None]:
    """Return a function that fits a network."""
    model = BackpropMLPRegressor(
        (256, 256, 256), batch_size=256, max_iter=n_epochs, n_iter_no_change=np.inf, **options
    )

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.set_params(random_state=0).fit(X, y)

    return fit


def seconds(call: Callable[[], None]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.RandomState(0)
    X = rng.normal(size=(options.rows, 20)).astype(np.float32)
    wide = rng.normal(size=(options.rows, 80)).astype(np.float32)
    y = X[:, 0] + np.sin(3 * X[:, 1])
    plain, as_wide = fit_of(X, y, options.epochs), fit_of(wide, y, options.epochs)
    print(f"{'':38}{'/ plain':>9}{'/ as wide':>11}")
    with threadpool_limits(1):
        for name, parameters in SIDES.items():
            fit, ratios = fit_of(X, y, options.epochs, **parameters), []
            for _ in range(options.rounds):
                times = [seconds(call) for call in (plain, fit, as_wide)]
                ratios.append((times[1] / times[0], times[1] / times[2]))
            of_plain, of_wide = np.median(ratios, axis=0)
            print(f"{name:38}{of_plain:9.2f}{of_wide:11.2f}")


if __name__ == "__main__":
    main()
