"""Measure the worth of each part of the tabular estimators, with one part changed at a time.

The parts are those of ``TabularMLPClassifier`` and ``TabularMLPRegressor`` at their defaults. A row
of the table is these estimators with one change: a part is removed, replaced by what is usual, or
added. Its numbers are ratios over the unchanged estimators on the same sets and splits, as in
``tables.py``, so that a part is worth what its row is above 1: geometric means, which one set with
few errors can rule, and medians. The intervals of 95 % are of a bootstrap over sets. Parts were
chosen on the sets for choosing, which are the default here.

D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default" (2024), have such a table for
RealMLP. Run ``python benchmarks/table_parts.py --quick`` for three small sets.
"""

import argparse
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from table_reports import print_overview, report
from table_runs import OF_THIS_PACKAGE, Cache, Side, add_run_options, chosen, run, sets_of
from tables import TABULAR, tabular_mlp

from sklearn_metabp import Averaged

QUICK_PARTS = ("standard scaling", "no dropout")


class Part(NamedTuple):
    """A change of the estimators.

    Attributes
    ----------
    classes : dict or None
        Parameters of the classifier that differ; None for a part of the regressor alone.
    numbers : dict or None
        Parameters of the regressor that differ; None for a part of the classifier alone.
    """

    classes: dict[str, Any] | None
    numbers: dict[str, Any] | None

    def changes(self, is_classification: bool) -> dict[str, Any] | None:
        return self.classes if is_classification else self.numbers

    @property
    def side(self) -> Side:
        kinds = tuple(kind for kind in (True, False) if self.changes(kind) is not None)
        return Side(self.make, OF_THIS_PACKAGE, kinds)

    def make(self, is_classification: bool, seed: int) -> BaseEstimator:
        """Return the changed estimator."""
        changes = self.changes(is_classification)
        return tabular_mlp(is_classification, seed).set_params(**changes)


def same_score(estimator, X, y) -> float:
    """Return 0, so that all epochs are tied and the last one is kept."""
    return 0.0


def both(**changes: Any) -> Part:
    """Return a change of both estimators."""
    return Part(changes, changes)


def of_network(**changes: Any) -> Part:
    """Return a change of parameters of both networks."""
    return both(**{f"network__{name}": value for name, value in changes.items()})


def of_rule(**changes: Any) -> Part:
    """Return a change of parameters of both update rules, which may be within a wrapper."""
    of_kinds = []
    for is_classification in (True, False):
        params = tabular_mlp(is_classification, 0).default_network().get_params()
        paths = {
            name: next(path for path in params if path.endswith(f"__{name}")) for name in changes
        }
        of_kinds.append({f"network__{paths[name]}": changes[name] for name in changes})
    return Part(*of_kinds)


def for_classes(part: Part) -> Part:
    """Return the change of the classifier alone."""
    return part._replace(numbers=None)


def for_numbers(part: Part) -> Part:
    """Return the change of the regressor alone."""
    return part._replace(classes=None)


#: Update rules of the classifier and of the regressor.
RULES = {kind: tabular_mlp(kind, 0).default_network().update_rule for kind in (True, False)}
#: Changes by name.
PARTS: dict[str, Part] = {
    "standard scaling": both(preprocessor__scaler=StandardScaler()),
    "no columns for gaps": both(preprocessor__add_indicator=False),
    "rare levels apart": both(preprocessor__min_frequency=1),
    "target not scaled": for_numbers(both(scale_target=False)),
    "predictions not clipped": for_numbers(both(clip_predictions=False)),
    "beta_2=0.999": of_rule(beta_2=0.999),
    "constant rate": of_rule(schedule="constant"),
    "coslog4 rate": for_classes(of_rule(schedule="coslog4")),
    "cosine rate": for_numbers(of_rule(schedule="cosine")),
    "flat_cosine rate": of_rule(schedule="flat_cosine"),
    "no decay": of_rule(weight_decay=0.0),
    "weight_decay=0.02": of_rule(weight_decay=0.02),
    "weight_decay=0.1": for_numbers(of_rule(weight_decay=0.1)),
    "weight_decay=1": for_classes(of_rule(weight_decay=1.0)),
    "average of the weights": Part({"network__update_rule": Averaged(RULES[True])}, None),
    "no average": Part(None, {"network__update_rule": RULES[False].rule}),
    "no dropout": for_classes(of_network(dropout=0.0)),
    "dropout=0.15": for_numbers(of_network(dropout=0.15)),
    "last epoch": both(scoring=same_score),
    "epoch by accuracy": for_classes(both(scoring="accuracy")),
    "epoch by log loss": for_classes(both(scoring="neg_log_loss")),
    "no temperature": for_classes(both(calibration=None)),
    "no label smoothing": for_classes(of_network(label_smoothing=0.0)),
    "label_smoothing=0.1": for_classes(of_network(label_smoothing=0.1)),
    "refit on all rows": both(refit=True),
    "TabularMLP, 5 members": both(n_members=5),
    "one layer of 256": of_network(hidden_layer_sizes=(256,)),
    "three layers of 64": of_network(hidden_layer_sizes=(64, 64, 64)),
    "relu": for_classes(of_network(activation="relu")),
    "elu": for_numbers(of_network(activation="elu")),
    "selu": of_network(activation="selu"),
    "mish": of_network(activation="mish"),
    "tanh": of_network(activation="tanh"),
    "gelu": of_network(activation="gelu"),
    "silu": of_network(activation="silu"),
    "he_normal": of_network(init="he_normal"),
    'init="data"': of_network(init="data"),
    "parametric activation": of_network(parametric_activation=True),
    "scaling layer": for_classes(of_network(scaling_layer=True)),
    "no scaling layer": for_numbers(of_network(scaling_layer=False)),
    "no embedding": of_network(numeric_embedding=None),
    "piecewise linear": of_network(numeric_embedding="piecewise_linear"),
    "equal rates": for_numbers(of_network(update_rule=Averaged(RULES[False].rule.rule, 0.99))),
    "the learned rule": both(update_rule="learned"),
    "the rule Adam(0.001)": of_network(update_rule="adam"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_run_options(parser)
    parser.set_defaults(half="choosing")
    parser.add_argument("--parts", help='names of changes, by ";": ' + "; ".join(PARTS))
    parser.add_argument(
        "--most-rows", type=int, help="leave out sets with more rows, for a quicker run"
    )
    parser.add_argument("--details", action="store_true", help="print medians and wins as well")
    options = parser.parse_args()
    names = chosen("parts", options.parts, QUICK_PARTS if options.quick else PARTS)
    sides = {TABULAR: Side(tabular_mlp, OF_THIS_PACKAGE)}
    sides |= {name: PARTS[name].side for name in names}
    cache = Cache(options.cache)
    sets = [
        each
        for each in sets_of(options)
        if options.most_rows is None or len(each.read().X) <= options.most_rows
    ]
    outcome = run(sets, sides, options.splits, cache, n_jobs=options.jobs)
    print_overview(outcome, TABULAR)
    print_overview(outcome, TABULAR, medians=True)
    if options.details:
        report(outcome, TABULAR)


if __name__ == "__main__":
    main()
