"""Measure the cost of a learned rule's step, of a rule written in NumPy and of a recorder.

Whole fits on digits are timed in turns, on one BLAS thread. The ratio is the time with the rule or
the recorder over the time of the plain Adam fit. Run ``python benchmarks/rule_overhead.py``.
"""

import argparse

import numpy as np
from threadpoolctl import threadpool_limits
from workloads import alternate, digits_workloads, median_ratio

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    LearnedUpdateRule,
    TraceRecorder,
    UpdateRule,
)


class NumPyAdam(UpdateRule):
    """Adam as a user would write it."""

    def __init__(self, learning_rate=0.001):
        self.learning_rate = learning_rate

    def init_state(self, layout):
        return {"t": 0, "m": layout.zeros(), "v": layout.zeros()}

    def compute_update(self, step, state):
        state["t"] += 1
        state["m"] = 0.9 * state["m"] + 0.1 * step.gradients
        state["v"] = 0.999 * state["v"] + 0.001 * step.gradients**2
        m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
        return -self.learning_rate * m / (np.sqrt(v) + 1e-8)


def learned_rule(workload) -> LearnedUpdateRule:
    """Return a rule that is learned from Adam, with the default learner, which runs compiled."""
    recorder = TraceRecorder()
    params = {**workload.params(), "hidden_layer_sizes": (32,), "max_iter": 5}
    BackpropMLPClassifier(**params).set_callbacks(recorder).fit(workload.X, workload.y)
    return LearnedUpdateRule(random_state=0).fit(recorder.trace_)


def main(n_rounds: int) -> None:
    print(f"{'workload':<30} {'dtype':<8} {'side':<24} {'µs a step':>10} {'over Adam':>10}")
    for workload in digits_workloads():
        learned = learned_rule(workload)
        for dtype in (np.float64, np.float32):

            def model(rule, w=workload):
                return BackpropMLPClassifier(update_rule=rule, **w.params())

            def recorded(variables, w=workload):
                recorder = TraceRecorder(variables)
                return BackpropMLPClassifier(**w.params()).set_callbacks(recorder)

            sides = {
                "Adam": lambda: model(Adam()),
                "SGD": lambda: model(SGD()),
                "layer rule": lambda: model(
                    LearnedUpdateRule(scope="layer").initialize(start="averaged_adamw")
                ),
                "learned link rule": lambda rule=learned: model(rule),
                "Adam in NumPy": lambda: model(NumPyAdam()),
                "Adam, default recorder": lambda: recorded("default"),
                "Adam, recorder of all": lambda: recorded("all"),
            }
            seconds = alternate(sides, workload.X.astype(dtype), workload.y, n_rounds)
            for side, times in seconds.items():
                print(
                    f"{workload.name:<30} {np.dtype(dtype).name:<8} {side:<24} "
                    f"{np.median(times) / workload.n_steps * 1e6:10.1f} "
                    f"{median_ratio(times, seconds['Adam']):9.2f}x",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="fits of each side (default 5)")
    with threadpool_limits(1, "blas"):
        main(parser.parse_args().rounds)
