"""Trainings on sparse rows are recorded and driven by learned rules as those on dense rows."""

import numpy as np
import pytest
from scipy import sparse

from sklearn_metabp import SGD, BackpropMLPRegressor, LearnedUpdateRule, Trace, TraceRecorder

# A learning rate of 1e-30 stands for the start, which no step leaves.
pytestmark = pytest.mark.filterwarnings(
    "ignore:No step of this call:sklearn.exceptions.ConvergenceWarning"
)

SIZES = (12, 4, 2)
NAMES = ("params", "updates", "gradients", "targets", "outputs")
LAYERS = ("activations", "net_inputs", "derivatives", "deltas")


class CopiedSGD(SGD):
    """Backpropagation of which every step is copied."""

    replayable = False


def rows(seed=0, n=30):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, SIZES[0])) * (rng.uniform(size=(n, SIZES[0])) < 0.3)
    return X, np.ascontiguousarray(np.tanh(X @ rng.standard_normal((SIZES[0], 2))))


def trained(X, T, rule, recorder=None, *, activation="tanh", n_epochs=4):
    """Return the parameters after a training, which the recorder, if any, records."""
    model = BackpropMLPRegressor(
        SIZES[1:-1],
        activation,
        update_rule=rule,
        alpha=0.01,
        batch_size=7,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=3,
    )
    return model.set_callbacks(*([recorder] if recorder else [])).fit(X, T).params_


@pytest.mark.parametrize("where", ["memory", "replayed", "disk"])
def test_a_trace_of_sparse_rows_is_that_of_dense_ones(tmp_path, where):
    X, T = rows()
    traces = []
    for name, data in (("dense", X), ("sparse", sparse.csr_array(X))):
        rule = CopiedSGD(0.1) if where == "memory" else SGD(0.1)
        recorder = TraceRecorder("all", path=tmp_path / name if where == "disk" else None)
        trained(data, T, rule, recorder)
        traces.append(recorder.trace_)
    dense, other = traces
    assert len(dense) == len(other) == 4 * 5
    for name in NAMES:
        np.testing.assert_allclose(
            getattr(other, name), getattr(dense, name), rtol=1e-9, atol=1e-14
        )
    for name in LAYERS:
        for ours, theirs in zip(getattr(other, name), getattr(dense, name), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-14)
    np.testing.assert_array_equal(other.activations[0][0], dense.activations[0][0])
    if where == "disk":
        assert len(Trace.open(tmp_path / "sparse")) == 20


RULES = {
    "link": {"inputs": ["gradient/rms_0.9", "activation", "delta", "weight"]},
    "neuron": {},
    "network": {},
    "network, all": {
        "inputs": ["inputs", "outputs", "targets", "hidden_activations", "net_inputs", "deltas"]
    },
}


@pytest.mark.parametrize("name", RULES)
def test_a_learned_rule_trains_on_sparse_rows_as_on_dense_ones(name):
    X, T = rows()
    recorder = TraceRecorder("all")
    trained(sparse.csr_array(X), T, SGD(0.1), recorder)
    rule = LearnedUpdateRule(scope=name.split(",")[0], random_state=0, **RULES[name]).fit(
        recorder.trace_
    )
    dense, other = (trained(data, T, rule, n_epochs=2) for data in (X, sparse.csr_array(X)))
    start = trained(X, T, SGD(1e-30))
    assert np.abs(dense - start).max() > 1e-3
    np.testing.assert_allclose(other, dense, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("activation", ["gelu", "silu", "softplus"])
def test_the_neuron_scope_learns_functions_whose_slope_does_not_follow_from_the_output(activation):
    X, T = rows()
    recorder = TraceRecorder("all")
    trained(X, T, SGD(0.2), recorder, activation=activation, n_epochs=12)
    rule = LearnedUpdateRule(scope="neuron", random_state=0).fit(recorder.trace_)
    learned, taught = (trained(X, T, r, activation=activation) for r in (rule, SGD(0.2)))
    still = trained(X, T, SGD(1e-30), activation=activation)
    assert np.linalg.norm(learned - taught) < 0.05 * np.linalg.norm(taught - still)
