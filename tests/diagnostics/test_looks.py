"""Looks at steps, and the bounded sample of them."""

import numpy as np
import pytest
from helpers.diagnostics import classifier, gradients_one_by_one, problem, record, regressor

from sklearn_metabp import SGD, Averaged
from sklearn_metabp.diagnostics.looks import look_at
from sklearn_metabp.diagnostics.observer import N_FIRST, N_SPREAD, Observer
from sklearn_metabp.diagnostics.readers import reader_for

X, LABELS, NUMBERS = problem()


def observed(trace, run=0):
    observer = Observer()
    for number, (_, step) in enumerate(trace.iter_steps(run)):
        observer.see(step, number)
    return observer


def test_numbers_of_a_look():
    trace = record(classifier((5, 4), alpha=2.0), X, LABELS)
    for _, step in trace.iter_steps(0):
        look = look_at(step, reader_for(step))
        single = gradients_one_by_one(step)
        penalty = 2.0 * np.array(step.params) / step.n_patterns
        penalty[step.layout.n_weights :] = 0
        data = single.mean(axis=0) - penalty
        np.testing.assert_allclose(look.square, data @ data, rtol=1e-9)
        np.testing.assert_allclose(look.variance, single.var(axis=0, ddof=1).sum(), rtol=1e-8)
        ratio = np.linalg.norm(penalty) / np.linalg.norm(data)
        np.testing.assert_allclose(look.penalty, ratio, rtol=1e-9)
        np.testing.assert_allclose(look.update_norms[0], np.linalg.norm(step.updates[:20]))
        sizes = [np.sqrt((deltas**2).mean()) for deltas in step.deltas]
        np.testing.assert_allclose(look.delta_sizes, sizes)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_look_ends_with_the_next_batch_at_both_ends(dropout):
    model = classifier((6,), SGD(0.3), alpha=1.0, dropout=dropout)
    trace = record(model, X, LABELS)
    looks = {look.index: look for look in observed(trace).looks}
    steps = [step for _, step in trace.iter_steps(0) if step.index == 2]
    # the loss of the second batch before and after the first step
    params = trace.params[0], trace.params[1]
    losses, slopes = [], []
    update = trace.updates[0].astype(float)
    for at in params:
        X_two, t_two = trace.activations[0][1], trace.targets[1]
        X_two, t_two = X_two[:16], t_two[:16]
        network = trace.recorded[0].network
        gradient = np.zeros_like(at)
        kernel = network.backprop(np.array(at), gradient, 16)
        kernel.load(np.ascontiguousarray(X_two), np.ascontiguousarray(t_two))
        losses.append(kernel.gradients(0, 16))
        slopes.append(gradient @ update)
    assert steps
    # least squares of the parabola -pull τ + cost τ² by the normal equations
    A = np.array([[1.0, 1], [1, 0], [1, 2]])
    b = np.array([losses[1] - losses[0], *slopes])
    linear, quadratic = np.linalg.solve(A.T @ A, A.T @ b)
    np.testing.assert_allclose([looks[1].pull, looks[1].cost], [-linear, quadratic], rtol=1e-9)
    cosine = update @ trace.updates[1] / np.linalg.norm(update) / np.linalg.norm(trace.updates[1])
    np.testing.assert_allclose(looks[1].cosine, cosine)


@pytest.mark.parametrize(("rate", "length"), [(0.25, 0.25), (1.0, 1.0), (1.9, 1.9)])
def test_length_on_a_parabola(rate, length):
    line = regressor((), SGD(rate), alpha=0.0, batch_size=2, max_iter=4, shuffle=False)
    start = {"coef_init": [np.array([[0.2]])], "intercept_init": [np.array([0.0])]}
    trace = record(line, np.array([[-1.0], [1.0]]), np.array([-1.0, 1.0]), **start)
    np.testing.assert_allclose(observed(trace).looks[0].length, length, rtol=1e-9)


def test_looks_are_few_and_spread_evenly():
    few = record(classifier(max_iter=4, batch_size=10), X, LABELS)  # 24 steps
    # six at the start, and then every eighth
    assert [look.index for look in observed(few).looks] == [*range(1, 7), 9, 17]
    many = record(classifier(max_iter=150, batch_size=10), X, LABELS)  # 900 steps
    indices = np.array([look.index for look in observed(many).looks])
    assert len(indices) <= N_FIRST + N_SPREAD
    assert indices[:N_FIRST].tolist() == [1, 2, 3, 4, 5, 6]
    spread = np.diff(indices[N_FIRST:])
    assert len(set(spread.tolist())) == 1
    assert 900 - indices[-1] <= spread[0]


def test_rows_are_bounded_and_of_the_first_epoch():
    big, labels, _ = problem(n=2000)
    observer = observed(record(classifier(batch_size=50, max_iter=2), big, labels))
    rows, targets = observer.rows()
    assert len(rows) == len(targets) == 512
    assert len(np.unique(rows, axis=0)) == 512
    one = observed(record(classifier(batch_size=2000, max_iter=2), big, labels))
    assert len(one.rows()[0]) == 512
    small = observed(record(classifier(max_iter=3), X, LABELS))
    assert len(np.unique(small.rows()[0], axis=0)) == len(X) == len(small.rows()[0])


def test_noise_is_unknown_where_patterns_do_not_add_up():
    class Other:
        def __init__(self, step):
            self.step, self.gradients = step, step.gradients + 1.0

        def __getattr__(self, name):
            return getattr(self.step, name)

    observer = Observer()
    for number, (_, step) in enumerate(record(classifier(), X, LABELS).iter_steps(0)):
        observer.see(Other(step), number)
    assert all(np.isnan(look.variance) for look in observer.looks)
    assert all(np.isfinite(look.length) for look in observer.looks[:-1])


def test_looks_do_not_change_a_training():
    from sklearn_metabp import TrainingDoctor

    for rule in ("adam", "rprop", Averaged(SGD(0.1))):
        for dropout in (0.0, 0.2):
            plain = classifier((6,), rule, dropout=dropout).fit(X, LABELS)
            watched = classifier((6,), rule, dropout=dropout).set_callbacks(TrainingDoctor())
            watched.fit(X, LABELS)
            assert plain.params_.tobytes() == watched.params_.tobytes()
