"""Step sizes and effective learning rates are those that the rule's equation gives."""

import numpy as np
import pytest
from helpers.data import classes, numbers
from matplotlib import pyplot as plt
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, BackpropMLPRegressor, TraceRecorder
from sklearn_metabp.plotting import UpdateRuleDisplay

X, Y = classes("multiclass", n=72, seed=13)


def network(rule, *, seed=0, **params):
    params = {"alpha": 0.0, "batch_size": 16, "max_iter": 6, "n_iter_no_change": np.inf} | params
    return BackpropMLPClassifier((5, 3), "tanh", update_rule=rule, random_state=seed, **params)


def record(rule, *, seeds=(0,), **params):
    recorder = TraceRecorder(**params)
    for seed in seeds:
        network(rule, seed=seed).set_callbacks(recorder).fit(X, Y)
    return recorder.trace_


def outline(band):
    """Lower and upper border of a band, by their x."""
    (path,) = band.get_paths()
    x, y = path.vertices.T
    return {key: (min(y[x == key]), max(y[x == key])) for key in np.unique(x)}


def test_medians_and_quantiles_are_those_of_the_trace():
    trace = record(Adam(0.01), seeds=(0, 1))
    display = UpdateRuleDisplay.from_trace(trace, 1, quantiles=(0.1, 0.8))
    rows = trace.run(1)
    np.testing.assert_array_equal(display.steps, rows.indices)
    sizes, rates = np.abs(rows.updates), np.abs(rows.updates / rows.gradients)
    for lines, bands, values in (
        (display.step_size_lines_, display.step_size_bands_, sizes),
        (display.learning_rate_lines_, display.learning_rate_bands_, rates),
    ):
        for tensor in trace.layouts[1].tensors:
            wanted = np.quantile(values[:, tensor.slice], (0.1, 0.5, 0.8), axis=1)
            line, band = lines[tensor.name], outline(bands[tensor.name])
            np.testing.assert_array_equal(line.get_xdata(), rows.indices)
            np.testing.assert_allclose(line.get_ydata(), wanted[1], rtol=1e-12)
            np.testing.assert_allclose(list(band.values()), wanted[[0, 2]].T, rtol=1e-12)
            assert line.axes is bands[tensor.name].axes


def test_a_column_of_the_display_is_a_layer():
    display = UpdateRuleDisplay.from_trace(record(SGD(0.1)))
    assert len(display.ax_) == 6
    for row, lines in enumerate((display.step_size_lines_, display.learning_rate_lines_)):
        for layer in range(3):
            ax = display.ax_[3 * row + layer]
            assert list(ax.lines) == [lines[f"coefs_[{layer}]"], lines[f"intercepts_[{layer}]"]]
            assert ax.get_yscale() == "log"


@pytest.mark.parametrize("learning_rate", [0.1, 3e-4])
def test_the_rate_of_plain_backpropagation_is_its_learning_rate(learning_rate):
    display = UpdateRuleDisplay.from_trace(record(SGD(learning_rate)))
    for rates in display.learning_rates.values():
        np.testing.assert_allclose(rates, learning_rate, rtol=1e-12)


@pytest.mark.filterwarnings(
    "ignore:The network predicts no better:sklearn.exceptions.ConvergenceWarning"
)
def test_the_rate_of_momentum_grows_to_ten_times_where_gradients_stay():
    """A neuron without useful inputs: the gradient by its bias hardly changes under tiny steps."""
    model = BackpropMLPRegressor(
        (), update_rule=SGD(1e-9, momentum=0.9), alpha=0.0, batch_size="full", max_iter=100
    )
    display = UpdateRuleDisplay.from_estimator(
        model.set_params(n_iter_no_change=np.inf), *numbers()
    )
    steps = np.arange(1, 101)
    for rates in display.learning_rates.values():
        np.testing.assert_allclose(rates[:, 1], 1e-9 * (1 - 0.9**steps) / (1 - 0.9), rtol=1e-5)


def test_parameters_without_a_gradient_have_no_rate():
    zeros = np.zeros_like(X)
    display = UpdateRuleDisplay.from_estimator(network(SGD(0.1)), zeros, Y)
    assert np.isnan(display.learning_rates["coefs_[0]"]).all()
    assert (display.step_sizes["coefs_[0]"] == 0).all()
    np.testing.assert_allclose(display.learning_rates["intercepts_[0]"], 0.1, rtol=1e-12)
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize("fitted", [False, True])
def test_an_estimator_is_recorded_and_left_as_it_was(fitted):
    recorder = TraceRecorder()
    model = network(Adam(0.01)).set_callbacks(recorder)
    if fitted:
        model.fit(X, Y)
    before = dict(vars(model))
    display = UpdateRuleDisplay.from_estimator(model, X, Y)
    assert vars(model) == before
    assert len(recorder._runs) == int(fitted)
    wanted = UpdateRuleDisplay.from_trace(record(Adam(0.01)))
    for name, sizes in wanted.step_sizes.items():
        np.testing.assert_array_equal(display.step_sizes[name], sizes)
        np.testing.assert_array_equal(display.learning_rates[name], wanted.learning_rates[name])


def test_a_pipeline_is_recorded_with_its_weights():
    weights = np.linspace(0.5, 1.5, len(X))
    pipe = make_pipeline(StandardScaler(), network(SGD(0.1)))
    display = UpdateRuleDisplay.from_estimator(pipe, X, Y, sample_weight=weights)
    recorder = TraceRecorder()
    model = network(SGD(0.1)).set_callbacks(recorder)
    model.fit(StandardScaler().fit_transform(X), Y, sample_weight=weights)
    wanted = UpdateRuleDisplay.from_trace(recorder.trace_)
    for name, sizes in wanted.step_sizes.items():
        np.testing.assert_array_equal(display.step_sizes[name], sizes)


def test_steps_of_a_long_run_are_evenly_spread_and_one_step_is_visible(monkeypatch):
    monkeypatch.setattr("sklearn_metabp.plotting.update_rule.MAX_STEPS", 4)
    trace = record(SGD(0.1))
    assert UpdateRuleDisplay.from_trace(trace).steps.tolist() == [1, 11, 20, 30]
    display = UpdateRuleDisplay.from_trace(trace[:1])
    assert {line.get_marker() for line in display.step_size_lines_.values()} == {"o"}


@pytest.mark.parametrize("quantiles", [(0.9, 0.1), (0.5,), (-0.1, 0.5), ("low", "high"), 0.5])
def test_quantiles_are_two_in_order(quantiles):
    trace = record(SGD(0.1))
    with pytest.raises(
        ValueError, match=r"quantiles must be a lower and an upper one in \[0, 1\], got"
    ):
        UpdateRuleDisplay.from_trace(trace, quantiles=quantiles)


def test_the_error_of_a_display_names_the_missing_data(monkeypatch):
    with pytest.raises(
        ValueError, match="run 0 was recorded without gradients and updates: record with"
    ):
        UpdateRuleDisplay.from_trace(record(SGD(0.1), variables=["params"]))
    with pytest.raises(ValueError, match=r"no rows of run 7; it has runs \[0\]"):
        UpdateRuleDisplay.from_trace(record(SGD(0.1)), 7)
    with pytest.raises(ValueError, match="at the end of a Pipeline, got MLPClassifier"):
        UpdateRuleDisplay.from_estimator(MLPClassifier(), X, Y)
    assert not plt.get_fignums()
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"UpdateRuleDisplay\.from_estimator requires matplotlib"):
        UpdateRuleDisplay.from_estimator(network(SGD(0.1)), X, Y)
