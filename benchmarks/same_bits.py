"""Print one hash per training: two commits that print the same lines train to the same bits.

Run ``python benchmarks/same_bits.py > before.txt`` at one commit, the same at another, and compare
with ``diff``. The trainings cover every update rule, both precisions, sparse rows, dropout,
validation, continued trainings, traces in memory and on disk, learned rules of every scope, and
their files. ``--rules DIR`` writes the learned rules to that folder, or trains with the rules that
are there already.
"""

import argparse
import hashlib
import pickle
import tempfile
import warnings
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    Averaged,
    BackpropAutoencoder,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Clipped,
    ConjugateGradient,
    LearnedUpdateRule,
    LinearBackprop,
    Safeguarded,
    TraceRecorder,
    load_rule,
)
from sklearn_metabp.update_rules import UPDATE_RULES

X, y = load_iris(return_X_y=True)
X = scale(X)
X_REG, Y_REG = load_diabetes(return_X_y=True)
X_REG, Y_REG = scale(X_REG), scale(Y_REG)
FIXED = {"max_iter": 6, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 32}


def print_hash(name: str, *arrays) -> None:
    """Print the hash of some arrays under a name."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    print(f"{name:<60} {digest.hexdigest()[:16]}", flush=True)


def classifier(rule="adam", **params) -> BackpropMLPClassifier:
    """Make a small classifier that trains for a fixed number of epochs."""
    return BackpropMLPClassifier((7, 5), **{**FIXED, "update_rule": rule, **params})


def print_model_hash(name: str, model) -> None:
    """Print the hash of a fitted network."""
    extra = (
        []
        if model.validation_scores_ is None
        else [model.validation_scores_, model.validation_loss_curve_]
    )
    print_hash(name, model.params_, model.loss_curve_, *extra)


def rules() -> dict:
    """Return every rule by name, wrappers too."""
    known = {name: make() for name, make in UPDATE_RULES.items()}
    known |= {
        "momentum": SGD(0.05, momentum=0.9),
        "nesterov cosine": SGD(0.05, momentum=0.9, nesterov=True, schedule="cosine"),
        "adaptive": SGD(0.5, schedule="adaptive"),
        "clipped": Clipped("adam", max_norm=0.1),
        "averaged": Averaged("adam", decay=0.9),
        "safeguarded": Safeguarded(SGD(5.0), fallback=SGD(0.05)),
        "averaged safeguarded clipped": Averaged(
            Safeguarded(Clipped(Adam(0.3), 0.5), fallback="sgd")
        ),
        "linear": LinearBackprop("sgd"),
        "cg": ConjugateGradient("hestenes_stiefel"),
        "lbfgs": LBFGS(memory=3),
    }
    return known


def plain_trainings() -> None:
    """Train with every rule in both precisions, and with many options under Adam and SGD."""
    for name, rule in rules().items():
        for dtype in (np.float64, np.float32):
            print_model_hash(f"{name} {np.dtype(dtype)}", classifier(rule).fit(X.astype(dtype), y))
    for activation in (
        "identity",
        "logistic",
        "tanh",
        "relu",
        "leaky_relu",
        "elu",
        "silu",
        "softplus",
    ):
        for dtype in (np.float64, np.float32):
            model = classifier(SGD(0.05), activation=activation).fit(X.astype(dtype), y)
            print_model_hash(f"{activation} {np.dtype(dtype)}", model)
    sparse = csr_array(np.where(X > 0, X, 0))
    weight = np.linspace(0.1, 2, len(y))
    labels = np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)
    print_model_hash("sparse", classifier().fit(sparse, y))
    print_model_hash("dropout", classifier(dropout=0.3).fit(X, y))
    print_model_hash("noise", classifier(input_noise=0.3).fit(X, y))
    signs = np.where(y == 2, -1, 1)
    for name, rows, sign in (("", X, None), (" sparse", sparse, None), (" of signs", X, signs)):
        model = BackpropAutoencoder((7, 2, 7), **FIXED).fit(rows, sign)
        print_model_hash(f"autoencoder{name}", model)
    print_model_hash("weights", classifier(class_weight="balanced").fit(X, y, sample_weight=weight))
    print_model_hash("online", classifier(SGD(0.01), batch_size=1).fit(X, y))
    print_model_hash("full", classifier("rprop", batch_size="full").fit(X, y))
    print_model_hash("early stopping", classifier(early_stopping=True).fit(X, y))
    print_model_hash(
        "validation", classifier(scoring="neg_log_loss").fit(X, y, X_val=X[::3], y_val=y[::3])
    )
    print_model_hash("multilabel", classifier().fit(X, labels))
    print_model_hash("columns", classifier().fit(X, np.column_stack([y, y[::-1]])))
    print_model_hash(
        "squared error", classifier(loss="squared_error", out_activation="tanh").fit(X, y)
    )
    for loss in ("squared_error", "absolute_error", "huber", "poisson"):
        model = BackpropMLPRegressor((6,), loss=loss, **FIXED)
        print_model_hash(f"regressor {loss}", model.fit(X_REG, np.abs(Y_REG)))
    print_model_hash(
        "two outputs",
        BackpropMLPRegressor((6,), **FIXED).fit(X_REG, np.column_stack([Y_REG, -Y_REG])),
    )
    for name, rule in rules().items():
        model = classifier(rule, warm_start=True, max_iter=3)
        model = pickle.loads(pickle.dumps(model.fit(X, y)))
        print_model_hash(f"going on {name}", model.fit(X, y))
        if name in UPDATE_RULES and hasattr(model, "partial_fit"):
            model = classifier(rule)
            for _ in range(3):
                model.partial_fit(X[:100], y[:100], classes=[0, 1, 2])
            print_model_hash(f"parts {name}", model)


def print_trace_hash(name: str, trace) -> None:
    """Print the hash of the default variables of a trace."""
    print_hash(name, trace.params, trace.updates, trace.gradients, trace.losses, trace.indices)


def traces() -> dict:
    """Record in memory, on disk and with a teacher; return traces to learn from."""
    recorded = {}
    for name, rule in {
        "sgd": SGD(0.1),
        "adam": Adam(0.01),
        "rprop": "rprop",
        "lbfgs": "lbfgs",
    }.items():
        recorder = TraceRecorder()
        classifier(rule, batch_size="auto" if name == "lbfgs" else 32).set_callbacks(recorder).fit(
            X, y
        )
        print_trace_hash(f"trace {name}", recorder.trace_)
        recorded[name] = recorder.trace_
    with tempfile.TemporaryDirectory() as folder:
        recorder = TraceRecorder(path=f"{folder}/trace")
        classifier(SGD(0.1)).set_callbacks(recorder).fit(X, y)
        print_trace_hash("trace on disk", recorder.trace_)
    recorder = TraceRecorder(teacher="adam")
    classifier(SGD(0.1)).set_callbacks(recorder).fit(X, y)
    print_hash("trace with a teacher", recorder.trace_.teacher_updates)
    recorder = TraceRecorder("all")
    small = BackpropMLPRegressor(
        (4,), "logistic", update_rule=SGD(0.1), out_activation="logistic", **FIXED
    )
    small.set_callbacks(recorder).fit(X[:, :2], y / 2)
    trace = recorder.trace_
    print_hash(
        "trace of layers",
        *trace.activations,
        *trace.deltas,
        *trace.derivatives,
        trace.targets,
        trace.outputs,
    )
    recorded["small"] = trace
    return recorded


def learned(recorded: dict, folder: Path | None) -> None:
    """Learn in every scope, train with the learned rules, save and load them."""
    wide = ["gradient/rms_0.9", "momentum_0.9/rms_0.9", "weight", "is_bias", "depth", "warmup_0.9"]
    learners = {
        "default": None,
        "ridge": Ridge(),
        "sklearn": MLPRegressor(hidden_layer_sizes=(5,), random_state=0, max_iter=30),
    }
    cases = {
        f"{scope} {of} {learner}": (
            LearnedUpdateRule(learners[learner], scope=scope, random_state=0),
            of,
        )
        for scope, of in (
            ("link", "sgd"),
            ("link", "adam"),
            ("neuron", "small"),
            ("network", "small"),
        )
        for learner in learners
    }
    cases["link rprop strides"] = (
        LearnedUpdateRule(inputs=["gradient/rms_0.9", "last_step", "warmup_0.9"], random_state=0),
        "rprop",
    )
    cases["link wide"] = (LearnedUpdateRule(inputs=wide, random_state=0), "sgd")
    cases["network deltas"] = (
        LearnedUpdateRule(scope="network", inputs=["inputs", "deltas", "weights"], random_state=0),
        "small",
    )
    cases["network loss"] = (
        LearnedUpdateRule(scope="network", inputs=["inputs", "loss", "targets"], random_state=0),
        "small",
    )
    small = BackpropMLPRegressor((4,), "logistic", out_activation="logistic", **FIXED)
    for name, (rule, of) in cases.items():
        rule.fit(recorded[of])
        print_hash(f"learned {name}", rule.predict(recorded[of][:3]), [rule.score(recorded[of])])
        file = (
            None
            if folder is None or "ridge" in name
            else folder / f"{name.replace(' ', '_')}.safetensors"
        )
        if file is not None and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            rule.save(file)
        for kind, driver in {
            "fitted": rule,
            "loaded": None if file is None else load_rule(file),
        }.items():
            if driver is None:
                continue
            print_model_hash(
                f"driven by {kind} {name}",
                small.set_params(update_rule=driver).fit(X[:, :2], y / 2),
            )
            if rule.scope != "network":
                print_model_hash(
                    f"driven by {kind} {name} 32",
                    classifier(Clipped(driver)).fit(X.astype(np.float32), y),
                )
                print_model_hash(
                    f"driven by {kind} {name} sparse",
                    classifier(driver, warm_start=True).fit(csr_array(np.where(X > 0, X, 0)), y),
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=Path, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    plain_trainings()
    learned(traces(), arguments.rules)


if __name__ == "__main__":
    main()
