"""Compare networks that share weights (TabM) with separate ones, on real tables.

All members of TabM share the weight matrices, and each has vectors r and s, biases and an output
layer of its own: a layer computes ((x * r) W) * s + b (Y. Gorishniy, A. Kotelnikov and A. Babenko,
"TabM", 2025, after BatchEnsemble by Y. Wen, D. Tran and J. Ba, 2020). The first r is drawn from -1
and 1; all other r and s begin as 1. They are trained in PyTorch like the
separate ones: the same layers, rule, schedule, dropout, epochs and inputs, and the epoch with the
best score of the mean on a fifth of the rows. The separate networks are those of ``n_members=5``,
each with the epoch of its own best score. The sets are those for choosing of ``table_sets.py``, one
split each, float32 and one thread. The table has geometric means of the losses and the processor
seconds of the shared networks over those of the separate ones. Needs PyTorch. Run ``python
benchmarks/shared_members.py``, or ``--sets heart --epochs 20``.
"""

import argparse
import time
import warnings
from itertools import pairwise

import numpy as np
import torch
from members_gain import losses
from sklearn.model_selection import train_test_split
from table_reports import summarise
from table_runs import split_rows
from table_sets import TABLE_SETS, TableSet
from threadpoolctl import threadpool_limits
from torch import nn

from sklearn_metabp import (
    AdamW,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    TablePreprocessor,
)
from sklearn_metabp.estimators import BaseBackpropMLP
from sklearn_metabp.update_rules.schedules import coslog4

RATE, DECAY, DROPOUT, WIDTH, N_HIDDEN = 2.5e-3, 0.02, 0.15, 256, 3


def drawn(*shape: int, limit: float) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape).uniform_(-limit, limit))


class SharedMembers(nn.Module):
    """k networks with common weight matrices; the output is (k, n_rows, n_outputs)."""

    def __init__(self, n_features: int, n_outputs: int, k: int):
        super().__init__()
        sizes = [n_features] + [WIDTH] * N_HIDDEN
        self.k, self.dropout = k, nn.Dropout(DROPOUT)
        self.weights, self.r, self.s, self.biases = (nn.ParameterList() for _ in range(4))
        for before, width in pairwise(sizes):
            limit = (6 / (before + width)) ** 0.5
            is_first = not self.r
            signs = torch.randint(0, 2, (k, 1, before)) * 2.0 - 1
            self.weights.append(drawn(before, width, limit=limit))
            self.r.append(nn.Parameter(signs if is_first else torch.ones(k, 1, before)))
            self.s.append(nn.Parameter(torch.ones(k, 1, width)))
            self.biases.append(nn.Parameter(drawn(1, 1, width, limit=limit).repeat(k, 1, 1)))
        limit = (6 / (WIDTH + n_outputs)) ** 0.5
        self.out_weights = drawn(k, WIDTH, n_outputs, limit=limit)
        self.out_biases = drawn(k, 1, n_outputs, limit=limit)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unsqueeze(0).expand(self.k, -1, -1)
        for weights, r, s, biases in zip(self.weights, self.r, self.s, self.biases, strict=True):
            x = self.dropout(torch.relu((x * r) @ weights * s + biases))
        return x @ self.out_weights + self.out_biases

    def predict(self, x: torch.Tensor, is_classification: bool) -> torch.Tensor:
        """Return the mean of probabilities or of numbers."""
        with torch.no_grad():
            outputs = self.eval()(x)
        return (outputs.softmax(-1) if is_classification else outputs[..., 0]).mean(0)


def of_shared(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, k: int, n_epochs: int, is_classification: bool
) -> np.ndarray:
    """Train k networks that share weights; return the mean of their predictions."""
    torch.manual_seed(0)
    rng = np.random.RandomState(0)
    kind = torch.long if is_classification else torch.float32
    X, X_val, y, y_val = train_test_split(
        X, y, test_size=0.2, random_state=rng, stratify=y if is_classification else None
    )
    X, X_val, X_test = (torch.tensor(rows) for rows in (X, X_val, X_test))
    y, y_val = torch.tensor(y, dtype=kind), torch.tensor(y_val, dtype=kind)
    n_outputs = int(y.max()) + 1 if is_classification else 1
    net = SharedMembers(X.shape[1], n_outputs, k)
    decayed = [*net.weights, net.out_weights]
    others = [p for p in net.parameters() if all(p is not one for one in decayed)]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    rule = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
    batch = min(200, len(X))
    n_steps, step, best_score, best = -(-len(X) // batch) * n_epochs, 0, -np.inf, None
    for _ in range(n_epochs):
        order = torch.tensor(rng.permutation(len(X)))
        net.train()
        for start in range(0, len(X), batch):
            rows = order[start : start + batch]
            step += 1
            for group in rule.param_groups:
                group["lr"] = RATE * coslog4(step, n_steps)
            outputs = net(X[rows])
            if is_classification:
                flat = outputs.reshape(-1, n_outputs)
                loss = k * nn.functional.cross_entropy(flat, y[rows].repeat(k))
            else:
                loss = k * ((outputs[..., 0] - y[rows]) ** 2).mean() / 2
            rule.zero_grad()
            loss.backward()
            rule.step()
        found = net.predict(X_val, is_classification)
        is_right = found.argmax(1) == y_val if is_classification else -((found - y_val) ** 2)
        score = float(is_right.float().mean())
        if score > best_score:
            best_score, best = score, net.predict(X_test, is_classification).numpy()
    return best


def separate_networks(is_classification: bool, k: int, n_epochs: int) -> BaseBackpropMLP:
    """Return an estimator of k separate networks, before its fit."""
    network = BackpropMLPClassifier if is_classification else BackpropMLPRegressor
    return network(
        (WIDTH,) * N_HIDDEN,
        update_rule=AdamW(RATE, beta_2=0.95, weight_decay=DECAY, schedule="coslog4"),
        alpha=0.0,
        dropout=DROPOUT,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        early_stopping=True,
        validation_fraction=0.2,
        random_state=0,
        n_members=k,
    )


def ratios_of(
    data_set: TableSet, k: int, n_separate: int, n_epochs: int
) -> tuple[dict[str, float], float]:
    """Return the losses and the seconds of shared networks over those of separate ones."""
    table, is_classification = data_set.read(), data_set.is_classification
    ((train, test),) = split_rows(table, is_classification, 1)
    columns = TablePreprocessor()
    X = columns.fit_transform(table.X.iloc[train])
    X_test = columns.transform(table.X.iloc[test])
    y, y_test = table.y[train], table.y[test]
    if not is_classification:
        y, y_test = (y - y.mean()) / y.std(), (y_test - y.mean()) / y.std()
    start = time.process_time()
    network = separate_networks(is_classification, n_separate, n_epochs).fit(X, y)
    separate = time.process_time() - start
    predict = network.predict_proba if is_classification else network.predict
    of_separate = losses(np.asarray(predict(X_test), float), y_test)
    start = time.process_time()
    found = of_shared(X, y, X_test, k, n_epochs, is_classification)
    seconds = time.process_time() - start
    shared = losses(found.astype(float), y_test)
    return {name: shared[name] / of_separate[name] for name in shared}, seconds / separate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", help='names of sets, by ";"')
    parser.add_argument("--max-rows", type=int, default=1000, help="sets with fewer rows alone")
    parser.add_argument("--members", type=int, default=8, help="networks that share weights")
    parser.add_argument("--separate", type=int, default=5, help="separate networks")
    parser.add_argument("--epochs", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = None if options.sets is None else options.sets.split(";")
    found: dict[str, list[float]] = {}
    for name, data_set in TABLE_SETS.items():
        if data_set.half != "choosing" or not data_set.is_installed:
            continue
        if name not in names if names else len(data_set.read().y) >= options.max_rows:
            continue
        with threadpool_limits(1):
            of_set, seconds = ratios_of(data_set, options.members, options.separate, options.epochs)
        in_short = ", ".join(f"{kind} {ratio:.3f}" for kind, ratio in of_set.items())
        print(f"{name}: {in_short}, seconds {seconds:.2f}", flush=True)
        for kind, ratio in (of_set | {"seconds": seconds}).items():
            found.setdefault(kind, []).append(ratio)
    print(f"\n{'shared / separate':<18} {'sets':>5} {'ratio':<22} {'better':>7} {'worse':>6}")
    for kind, ratios in found.items():
        summary = summarise(np.array(ratios))
        mean, low, high = summary.mean
        print(
            f"{kind:<18} {len(ratios):>5} {f'{mean:.3f} [{low:.3f}, {high:.3f}]':<22} "
            f"{summary.n_better:>7} {summary.n_worse:>6}"
        )


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main()
