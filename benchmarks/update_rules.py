"""Measure the cost of a step of each update rule, and of the wrappers.

The table has the share of the rule in a training step on digits: the time of ``compute_update``
alone over the time of a step of the whole fit, both with one BLAS thread. Run
``python benchmarks/update_rules.py``.
"""

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits
from workloads import digits_workloads, fit_seconds

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    Clipped,
    Layerwise,
    LinearBackprop,
    Safeguarded,
    ScheduleFree,
)
from sklearn_metabp.update_rules import UPDATE_RULES


def rules() -> dict:
    """Return every rule but the line searches, by its name, and wrappers of Adam."""
    named = {name: rule() for name, rule in UPDATE_RULES.items() if rule.takes_steps}
    return named | {
        "Clipped(Adam)": Clipped(Adam()),
        "Averaged(Adam)": Averaged(Adam()),
        "ScheduleFree(Adam)": ScheduleFree(Adam()),
        "Layerwise(Adam)": Layerwise(Adam(), {0: 0.5}, decay_epochs=50.0),
        "AdamW(cautious)": AdamW(cautious=True),
        "LinearBackprop(Adam)": LinearBackprop(Adam()),
        "Safeguarded(Adam)": Safeguarded(Adam(), SGD()),
    }


def seconds_of_rule(model, n_calls: int) -> float:
    """Return the best of five means of ``n_calls`` calls of the rule, at the last step of a fit."""
    state = model._training_state.copy()
    layout, rule = model.layout_, model.update_rule_
    rng = np.random.default_rng(0)
    step = StepOnly(layout, rng.standard_normal(layout.n_params).astype(layout.dtype), state.params)
    means = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(n_calls):
            rule.compute_update(step, state.rule_state)
        means.append((time.perf_counter() - start) / n_calls)
    return min(means)


class StepOnly:
    """A step with only the values that rules of gradients and weights read."""

    def __init__(self, layout, gradients, params):
        self.layout, self.gradients, self.params = layout, gradients, params
        self.updates = np.zeros_like(params)
        self.steps_per_epoch = 10
        self.index, self.n_planned, self.epoch, self.loss, self.start, self.stop = (
            1,
            10**9,
            0,
            1.0,
            0,
            1,
        )


def main(n_rounds: int) -> None:
    columns = f"{'rule µs':>8} {'step µs':>8} {'share':>6} {'over Adam':>10}"
    print(f"{'workload':<30} {'dtype':<8} {'rule':<22} {columns}")
    for workload in digits_workloads():
        for dtype in (np.float64, np.float32):
            X, reference = workload.X.astype(dtype), None
            models = {
                name: BackpropMLPClassifier(update_rule=r, **workload.params())
                for name, r in rules().items()
            }
            fits = {name: [] for name in models}
            for _ in range(n_rounds):
                for name, model in models.items():
                    fits[name].append(
                        fit_seconds(model.set_params(batch_size=workload.batch_size), X, workload.y)
                    )
            reference = np.array(fits["adam"])
            for name, model in models.items():
                step = np.median(fits[name]) / workload.n_steps
                alone = None
                if not name.startswith(("Linear", "Safe")):
                    alone = seconds_of_rule(model, 300)
                ratio = np.median(np.array(fits[name]) / reference)
                rule_time = f"{alone * 1e6:8.1f}" if alone else " " * 8
                share = f"{alone / step:6.1%}" if alone else " " * 6
                print(
                    f"{workload.name:<30} {np.dtype(dtype).name:<8} {name:<22} {rule_time} "
                    f"{step * 1e6:8.1f} {share} {ratio:9.2f}x",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="fits of each rule (default 3)")
    with threadpool_limits(1, "blas"):
        main(parser.parse_args().rounds)
