"""Quantities of traces, against their definitions and closed forms."""

import numpy as np
import pytest
from helpers.diagnostics import classifier, gradients_one_by_one, problem, record, regressor
from scipy.sparse import csr_array

from sklearn_metabp import SGD, BackpropMLPRegressor, TraceRecorder, diagnostics
from sklearn_metabp.derivatives import hessian
from sklearn_metabp.diagnostics.curvature import Slope, alpha_of
from sklearn_metabp.diagnostics.sharpness import largest_eigenvalue

X, LABELS, NUMBERS = problem()


@pytest.fixture(scope="module")
def trace():
    return record(classifier(alpha=0.7), X, LABELS)


def single_gradients(trace):
    return [gradients_one_by_one(step) for _, step in trace.iter_steps(0)]


def test_gradient_noise_is_that_of_its_definition(trace):
    noise = diagnostics.gradient_noise(trace)
    for k, single in enumerate(single_gradients(trace)):
        n, mean = len(single), single.mean(axis=0)
        variance = ((single - mean) ** 2).sum() / (n - 1)
        np.testing.assert_allclose(noise.variances[k], variance, rtol=1e-8)
        # McCandlish's estimates with batches of 1 and of n patterns
        small, big = (single**2).sum(axis=1).mean(), mean @ mean
        square = (n * big - small) / (n - 1)
        np.testing.assert_allclose(noise.squared_norms[k], square, rtol=1e-7, atol=1e-12)
        expected = variance / square if square > 0 else np.inf
        np.testing.assert_allclose(noise.noise_scales[k], expected, rtol=1e-6)


def test_estimates_of_the_gradient_noise_have_no_bias():
    # Over all batches of two of a few rows, the means are those over all rows.
    rows = np.array([[0.0], [1.0], [3.0], [-2.0]])
    y = np.array([1.0, -1.0, 0.5, 2.0])
    start = {"coef_init": [np.array([[0.3]])], "intercept_init": [np.array([0.1])]}
    squares, variances = [], []
    for i in range(4):
        for j in range(i + 1, 4):
            line = regressor((), SGD(0.1), batch_size=2, alpha=0.0, max_iter=1)
            noise = diagnostics.gradient_noise(record(line, rows[[i, j]], y[[i, j]], **start))
            squares.append(noise.squared_norms[0])
            variances.append(noise.variances[0])
    errors = 0.3 * rows[:, 0] + 0.1 - y
    single = np.stack([errors * rows[:, 0], errors], axis=1)
    variance = single.var(axis=0, ddof=1).sum()
    np.testing.assert_allclose(np.mean(variances), variance)
    # drawn without replacement from four rows
    square = (single.mean(axis=0) ** 2).sum() - variance / 4
    np.testing.assert_allclose(np.mean(squares), square)


def test_critical_batch_size_is_a_ratio_of_sums(trace):
    noise = diagnostics.gradient_noise(trace)
    sizes = diagnostics.critical_batch_size(trace, window=3)
    expected = noise.variances[4:7].sum() / noise.squared_norms[4:7].sum()
    np.testing.assert_allclose(sizes[5], expected)
    np.testing.assert_allclose(diagnostics.critical_batch_size(trace, window=1), noise.noise_scales)


def test_tests_of_the_batch_size_are_those_of_their_definitions(trace):
    norm = diagnostics.norm_test(trace, theta=0.8)
    inner = diagnostics.inner_product_test(trace, theta=0.8)
    across = diagnostics.orthogonality_test(trace, nu=2.0)
    for k, single in enumerate(single_gradients(trace)):
        n, g = len(single), single.mean(axis=0)
        square = g @ g
        left = ((single - g) ** 2).sum() / (n - 1) / n
        np.testing.assert_allclose(norm.ratios[k], left / (0.64 * square), rtol=1e-7)
        left = ((single @ g - square) ** 2).sum() / (n - 1) / n
        np.testing.assert_allclose(inner.ratios[k], left / (0.64 * square**2), rtol=1e-7)
        parts = single - np.outer(single @ g / square, g)
        left = (parts**2).sum() / (n - 1) / n
        np.testing.assert_allclose(across.ratios[k], left / (4 * square), rtol=1e-7)
        np.testing.assert_allclose(norm.batch_sizes[k], n * norm.ratios[k])
    assert np.array_equal(norm.passed, norm.ratios <= 1)


def test_signal_to_noise_is_by_tensor(trace):
    ratios = diagnostics.signal_to_noise(trace)
    single = single_gradients(trace)[-1]
    for tensor, ratio in zip(trace.layouts[0].tensors, ratios[-1], strict=True):
        part = single[:, tensor.slice]
        noise = part.var(axis=0, ddof=1).sum() / len(part)
        np.testing.assert_allclose(ratio, (part.mean(axis=0) ** 2).sum() / noise, rtol=1e-7)


def test_update_ratios(trace):
    ratios = diagnostics.update_ratios(trace)
    for column, tensor in enumerate(trace.layouts[0].tensors):
        updates, weights = trace.updates[:, tensor.slice], trace.params[:, tensor.slice]
        expected = np.linalg.norm(updates, axis=1) / np.linalg.norm(weights, axis=1)
        np.testing.assert_allclose(ratios[:, column], expected)


@pytest.mark.parametrize(("rate", "alpha"), [(0.5, -0.5), (1.0, 0.0), (2.5, 1.5), (0.001, -0.999)])
def test_alpha_of_a_parabola(rate, alpha):
    # loss (w - 1)² / 2, whose minimum is a step of rate 1 away
    line = BackpropMLPRegressor((), alpha=0.0, update_rule=SGD(rate), batch_size="full")
    line.set_params(max_iter=4, n_iter_no_change=np.inf)
    start = {"coef_init": [np.array([[0.2]])], "intercept_init": [np.array([0.0])]}
    trace = record(line, np.array([[-1.0], [1.0]]), np.array([-1.0, 1.0]), **start)
    alphas = diagnostics.step_alphas(trace)
    assert np.isnan(alphas[-1])
    np.testing.assert_allclose(alphas[0], alpha, atol=1e-9)


def test_alpha_goes_by_the_less_noisy_observations():
    # the slopes say that the minimum is reached, the losses that the step went to the other side
    by_slopes = alpha_of(Slope(1.0, 1e6, -2.0, 1e-6), Slope(1.0, 1e6, 0.0, 1e-6))
    np.testing.assert_allclose(by_slopes, 0.0, atol=1e-6)
    by_losses = alpha_of(Slope(1.0, 1e-6, -2.0, 1e-6), Slope(1.0, 1e-6, 0.0, 1e6))
    np.testing.assert_allclose(by_losses, 1.0, atol=1e-6)
    assert alpha_of(Slope(1.0, 1.0, -1.0, 1.0), Slope(-1.0, 1.0, -3.0, 1.0)) == -1.0
    assert np.isnan(alpha_of(Slope(1.0, 1.0, -1.0, 1.0), Slope(np.inf, 1.0, 0.0, 1.0)))


def test_alpha_needs_the_step_after(trace):
    assert np.isnan(diagnostics.step_alphas(trace[::2])).all()
    whole = diagnostics.step_alphas(trace)
    np.testing.assert_array_equal(diagnostics.step_alphas(trace[3:6])[:2], whole[3:5])
    assert np.isfinite(whole[:-1]).all()


def test_a_neuron_is_dead_where_no_pattern_has_a_slope():
    weights = [np.array([[1.0, 1.0, 0.0]]), np.zeros((3, 1))]
    biases = [np.array([0.0, -9.0, 5.0]), np.zeros(1)]
    model = regressor((3,), SGD(0.1), batch_size=2, alpha=0.0, max_iter=4, shuffle=False)
    rows = np.array([[-1.0], [-2.0], [3.0], [4.0]])
    start = {"coef_init": weights, "intercept_init": biases}
    trace = record(model, rows, np.zeros(4), **start)
    (dead,) = diagnostics.dead_neurons(trace)
    assert dead.shape == (8, 3)
    # the first batch does not reach the first neuron, the second one does
    assert dead[0].tolist() == [True, True, False]
    assert dead[1:].tolist() == [[False, True, False]] * 7
    (at_once,) = diagnostics.dead_neurons(trace, window=1)
    assert at_once[:, 0].tolist() == [True, False] * 4


def test_saturation_of_tanh():
    weights = [np.array([[1.0, 50.0]]), np.zeros((2, 1))]
    start = {"coef_init": weights, "intercept_init": [np.zeros(2), np.zeros(1)]}
    model = regressor((2,), SGD(0.1), activation="tanh", batch_size=4, alpha=0.0, max_iter=1)
    rows = np.array([[-0.1], [0.0], [0.5], [3.0]])
    (shares,) = diagnostics.saturated_neurons(record(model, rows, np.zeros(4), **start))
    # 1 - tanh(3)² = 0.0099 is below 0.1; 50 times 0 is not saturated
    np.testing.assert_allclose(shares, [[0.25, 0.75]])
    model.set_params(activation="relu", max_iter=1)
    (shares,) = diagnostics.saturated_neurons(record(model, rows, np.zeros(4), **start))
    assert np.isnan(shares).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(seed):
    X, labels, _ = problem(seed)
    model = classifier((6,), activation="tanh", alpha=0.1, max_iter=20, random_state=seed)
    model.fit(X, labels)
    largest = np.linalg.eigvalsh(hessian(model, X, labels))[-1]
    sharp = diagnostics.sharpness(model, X, labels, tol=1e-8, random_state=seed)
    np.testing.assert_allclose(sharp.eigenvalue, largest, rtol=1e-7)
    assert sharp.n_products < model.layout_.n_params
    rough = diagnostics.sharpness(model, X, labels, max_products=4)
    assert abs(rough.eigenvalue - largest) <= rough.error + 1e-9
    np.testing.assert_allclose(sharp.longest_stable_rate, 2 / largest, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_largest_eigenvalue_of_small_and_of_singular_matrices(n):
    random = np.random.RandomState(n)
    for matrix in (np.diag(np.arange(n, dtype=float)) - 1, np.zeros((n, n)), -np.eye(n)):
        found = largest_eigenvalue(lambda v, A=matrix: A @ v, random.normal(size=n), 50, 1e-10)
        np.testing.assert_allclose(found.eigenvalue, np.linalg.eigvalsh(matrix)[-1], atol=1e-9)


def test_runs_of_several_networks():
    small = record(classifier((3,)), X, LABELS)
    large = record(classifier((8, 4)), X, LABELS)
    both = small + large
    noise = diagnostics.gradient_noise(both).noise_scales
    alone = [diagnostics.gradient_noise(one).noise_scales for one in (small, large)]
    np.testing.assert_array_equal(noise, np.concatenate(alone))
    alphas = diagnostics.step_alphas(both)
    assert np.isnan(alphas).sum() == 2  # the last step of each
    window = diagnostics.critical_batch_size(both, window=5)
    np.testing.assert_array_equal(
        window[: len(small)], diagnostics.critical_batch_size(small, window=5)
    )
    for function in (diagnostics.signal_to_noise, diagnostics.dead_neurons):
        with pytest.raises(ValueError, match=r"several architectures.*trace\.run\(number\)"):
            function(both)


def test_sampled_steps_sparse_rows_and_traces_on_disk(trace, tmp_path):
    every = TraceRecorder("all", every=3, path=tmp_path / "trace")
    classifier(alpha=0.7).set_callbacks(every).fit(X, LABELS)
    for function in (diagnostics.signal_to_noise, diagnostics.update_ratios):
        np.testing.assert_allclose(function(every.trace_), function(trace)[::3], rtol=1e-12)
    sparse = record(classifier(alpha=0.7), csr_array(X), LABELS)
    np.testing.assert_allclose(
        diagnostics.signal_to_noise(sparse), diagnostics.signal_to_noise(trace), rtol=1e-6
    )


FUNCTIONS = [name for name in diagnostics.__all__ if name.islower() and name != "sharpness"]
OF_TRACES = [name for name in FUNCTIONS if name != "diagnose"]


@pytest.mark.parametrize("name", OF_TRACES)
def test_a_missing_variable_is_named(name):
    few = record(classifier(), X, LABELS, ["loss", "params"])
    with pytest.raises(ValueError, match=r"run 0 of the trace has no .*'all'"):
        getattr(diagnostics, name)(few)
    with pytest.raises(TypeError, match="computed from a Trace, got TraceRecorder: pass its trace"):
        getattr(diagnostics, name)(TraceRecorder())
    with pytest.raises(ValueError, match="at least one recorded step"):
        getattr(diagnostics, name)(few[:0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: diagnostics.norm_test(t, theta=0), "theta must be a finite number above 0"),
        (lambda t: diagnostics.orthogonality_test(t, nu=-1), "nu must be a finite number above 0"),
        (lambda t: diagnostics.dead_neurons(t, window=0), "window must be an integer of 1"),
        (lambda t: diagnostics.critical_batch_size(t, window=1.5), "window must be an integer"),
        (lambda t: diagnostics.saturated_neurons(t, threshold=2), "threshold must be above 0"),
    ],
    ids=["theta", "nu", "window", "float window", "threshold"],
)
def test_parameters_are_checked(trace, call, message):
    with pytest.raises(ValueError, match=message):
        call(trace)
