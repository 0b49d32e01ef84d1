"""Displays draw the values of the trace and the rule."""

import numpy as np
import pytest
from helpers.data import classes
from matplotlib import pyplot as plt
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, LearnedUpdateRule, TraceRecorder
from sklearn_metabp.plotting import (
    ImitationDisplay,
    LearnedRuleDisplay,
    LossCurveDisplay,
    TraceDisplay,
    UpdateRuleDisplay,
)

TREE = DecisionTreeRegressor(max_depth=4, random_state=0)


def network(rule, sizes=(5, 3), n_epochs=6, seed=0):
    return BackpropMLPClassifier(
        sizes,
        "tanh",
        update_rule=rule,
        alpha=0.0,
        batch_size=16,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
    )


def record(rule, sizes=(5, 3), *, seeds=(0, 1), variables="all", n_epochs=6, **params):
    X, y = classes("multiclass", n=72, seed=13)  # a last batch of 8 patterns
    recorder = TraceRecorder(variables, **params)
    for seed in seeds:
        network(rule, sizes, n_epochs, seed).set_callbacks(recorder).fit(X, y)
    return recorder.trace_


@pytest.fixture(scope="module")
def trace():
    return record(SGD(0.1))


@pytest.fixture(scope="module")
def rules(trace):
    return {
        scope: LearnedUpdateRule(TREE, scope=scope).fit(trace)
        for scope in ("link", "neuron", "network")
    }


def drawn(line):
    return np.asarray(line.get_ydata())


@pytest.mark.parametrize("run", [0, 1])
def test_a_trace_is_drawn_as_it_is(trace, run):
    display = TraceDisplay.from_trace(trace, run, n_params=1000)
    rows = trace.run(run)
    np.testing.assert_array_equal(display.loss_line_.get_xdata(), rows.indices)
    np.testing.assert_array_equal(drawn(display.loss_line_), rows.losses)
    for lines, values in (
        (display.param_lines_, rows.params),
        (display.update_lines_, rows.updates),
    ):
        for tensor in trace.layouts[run].tensors:
            of_tensor = np.column_stack([drawn(line) for line in lines[tensor.name]])
            np.testing.assert_array_equal(of_tensor, values[:, tensor.slice])
    assert [ax.get_ylabel() for ax in display.ax_] == [
        "weights, biases",
        "updates",
        "loss of the batch",
    ]
    assert display.figure_ is display.ax_[0].figure


def test_n_params_of_a_large_tensor_are_drawn_and_always_the_same(trace):
    first, second = (TraceDisplay.from_trace(trace, n_params=4) for _ in range(2))
    assert {name: len(lines) for name, lines in first.param_lines_.items()} == {
        "coefs_[0]": 4,
        "coefs_[1]": 4,
        "coefs_[2]": 4,
        "intercepts_[0]": 4,
        "intercepts_[1]": 3,
        "intercepts_[2]": 3,
    }
    weights = trace.run(0).params[:, trace.layouts[0].tensors[0].slice]
    for line, again in zip(
        first.param_lines_["coefs_[0]"], second.param_lines_["coefs_[0]"], strict=True
    ):
        np.testing.assert_array_equal(drawn(line), drawn(again))
        assert (weights == drawn(line)[:, None]).all(axis=0).sum() == 1


def test_steps_of_a_long_run_are_evenly_spread(monkeypatch, trace):
    monkeypatch.setattr("sklearn_metabp.plotting.trace.MAX_STEPS", 4)
    display = TraceDisplay.from_trace(trace)
    rows = trace.run(0)[[0, 10, 19, 29]]
    np.testing.assert_array_equal(display.steps, rows.indices)
    np.testing.assert_array_equal(drawn(display.loss_line_), rows.losses)
    kept = np.array([drawn(line) for line in display.update_lines_["intercepts_[2]"]])
    np.testing.assert_array_equal(kept.T, rows.updates[:, -3:])


def test_rows_that_were_selected_and_steps_that_were_recorded_are_those_drawn():
    trace = record(SGD(0.1), seeds=(0,), every=2)[::-3]
    display = TraceDisplay.from_trace(trace, n_params=1000)
    np.testing.assert_array_equal(display.steps, trace.indices)
    np.testing.assert_array_equal(np.hstack(list(display.params.values())), trace.params)


def test_a_trace_display_names_the_missing_variable(trace):
    with pytest.raises(ValueError, match=r"no rows of run 7; it has runs \[0, 1\]"):
        TraceDisplay.from_trace(trace, 7)
    with pytest.raises(
        ValueError, match="run 0 was recorded without params and updates: record with"
    ):
        TraceDisplay.from_trace(record(SGD(0.1), variables=["deltas"]))
    with pytest.raises(ValueError, match="trace must be a Trace"):
        TraceDisplay.from_trace(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="n_params must be an integer of 1 or more, got 0"):
        TraceDisplay.from_trace(trace, n_params=0)


@pytest.mark.parametrize("scope", ["link", "neuron", "network"])
def test_points_are_predictions_against_targets_of_the_scope(trace, rules, scope):
    rows = trace.run(1)
    y_true, y_pred = rows.targets_of(scope).ravel(), rules[scope].predict(rows).ravel()
    display = ImitationDisplay.from_rule(rules[scope], trace, run=1, max_points=10**7)
    points = {name: scatter.get_offsets() for name, scatter in display.scatters_.items()}
    assert sum(map(len, points.values())) == len(y_true)
    together = np.vstack(list(points.values()))
    wanted = np.column_stack([y_true, y_pred])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(wanted, axis=0))

    few = ImitationDisplay.from_rule(rules[scope], trace, run=1, max_points=50)
    assert sum(len(scatter.get_offsets()) for scatter in few.scatters_.values()) == 50
    assert {tuple(row) for row in np.column_stack([few.y_true, few.y_pred])} <= set(
        map(tuple, wanted)
    )


@pytest.mark.parametrize("scope", ["link", "network"])
def test_points_have_the_colour_of_their_tensor(trace, rules, scope):
    rows = trace.run(0)
    display = ImitationDisplay.from_rule(rules[scope], trace, max_points=10**7)
    updates = rows.updates if scope == "link" else np.repeat(rows.updates, rows.n_patterns, axis=0)
    for tensor in trace.layouts[0].tensors:
        true = display.scatters_[tensor.name].get_offsets()[:, 0]
        np.testing.assert_array_equal(true, updates[:, tensor.slice].ravel())
    assert len({tuple(s.get_facecolor()[0]) for s in display.scatters_.values()}) == 6


def test_messages_have_the_colour_of_the_layer_they_go_to(trace, rules):
    rows = trace.run(0)
    display = ImitationDisplay.from_rule(rules["neuron"], trace, max_points=10**7)
    assert display.names == ["to hidden layer 1", "to hidden layer 2"]
    for layer, name in enumerate(display.names):
        wanted = []
        for row in range(len(rows)):
            n = rows.n_patterns[row]
            weights = trace.layouts[0].coefs(rows.params[row])[layer + 1]
            slope, delta = rows.derivatives[layer][row, :n], rows.deltas[layer + 1][row, :n]
            wanted.append((slope[:, :, None] * (delta[:, None, :] * weights)).ravel())
        true = display.scatters_[name].get_offsets()[:, 0]
        np.testing.assert_allclose(true, np.concatenate(wanted), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("scope", ["link", "network"])
def test_r2_is_that_of_every_step(trace, rules, scope):
    display = ImitationDisplay.from_rule(rules[scope], trace)
    rows = trace.run(0)
    np.testing.assert_array_equal(display.r2_line_.get_xdata(), rows.indices)
    for row in range(len(rows)):
        one = rows[row]
        y_true, y_pred = one.targets_of(scope), rules[scope].predict(one)
        assert drawn(display.r2_line_)[row] == pytest.approx(
            r2_score(y_true.ravel(), y_pred.ravel())
        )
        tensor = trace.layouts[0].tensors[1]
        y_true, y_pred = (y.reshape(-1, 55)[:, tensor.slice].ravel() for y in (y_true, y_pred))
        assert drawn(display.r2_lines_["coefs_[1]"])[row] == pytest.approx(r2_score(y_true, y_pred))


def test_fewer_steps_of_a_large_network_are_predicted(monkeypatch, trace, rules):
    monkeypatch.setattr("sklearn_metabp.plotting.imitation._MAX_VALUES", 55 * 15)
    assert len(ImitationDisplay.from_rule(rules["link"], trace).steps) == 15
    monkeypatch.setattr("sklearn_metabp.plotting.imitation._MAX_VALUES", 1)
    assert len(ImitationDisplay.from_rule(rules["link"], trace).steps) == 10


def test_an_imitation_of_no_worth_does_not_stretch_the_axis(trace):
    rule = LearnedUpdateRule(TREE).fit(record(SGD(5.0)))
    display = ImitationDisplay.from_rule(rule, trace)
    assert display.r2.min() < -10
    assert display.ax_[1].get_ylim() == pytest.approx((-1.05, 1.1))


def test_an_imitation_display_says_what_is_wrong(trace, rules):
    with pytest.raises(NotFittedError):
        ImitationDisplay.from_rule(LearnedUpdateRule(), trace)
    with pytest.raises(ValueError, match="no rows of run 2"):
        ImitationDisplay.from_rule(rules["link"], trace, run=2)
    with pytest.raises(ValueError, match="max_points must be an integer of 1 or more, got 0"):
        ImitationDisplay.from_rule(rules["link"], trace, max_points=0)
    with pytest.raises(ValueError, match="record"):
        ImitationDisplay.from_rule(rules["neuron"], record(SGD(0.1), variables="default"))


def test_loss_curves_are_those_of_the_models():
    X, y = classes("multiclass", n=72, seed=13)
    ours = [network(rule).fit(X, y) for rule in (SGD(0.1), Adam(0.01))]
    theirs = make_pipeline(
        StandardScaler(), MLPClassifier((4,), max_iter=5, tol=1.0, random_state=0)
    )
    theirs.set_params(mlpclassifier__n_iter_no_change=1).fit(X, y)
    display = LossCurveDisplay.from_estimator(*ours, theirs)
    for line, model in zip(display.lines_, [*ours, theirs[-1]], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, model.n_iter_ + 1))
        np.testing.assert_array_equal(drawn(line), model.loss_curve_)
    names = ["SGD(learning_rate=0.1)", "Adam(learning_rate=0.01)", "MLPClassifier"]
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == names
    assert display.ax_.get_yscale() == "log"

    _, ax = plt.subplots()
    again = LossCurveDisplay.from_estimator(
        *ours, names=["a", "b"], ax=ax, yscale="linear", line_kwargs=[{"ls": ":"}, {"c": "red"}]
    )
    assert again.ax_ is ax and again.figure_ is ax.figure and ax.get_yscale() == "linear"
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.lines[0].get_linestyle() == ":" and ax.lines[1].get_color() == "red"


def test_validation_losses_are_drawn_dashed_where_there_are_some():
    X, y = classes("multiclass", n=72, seed=13)
    models = [network(rule).fit(X, y) for rule in (SGD(0.1), Adam(0.01))]
    models[1].set_params(early_stopping=True).fit(X, y)
    display = LossCurveDisplay.from_estimator(
        *models, names=["a", "b"], line_kwargs=[{}, {"c": "red"}]
    )
    assert len(display.ax_.lines) == 3 and display.validation_lines_[0] is None
    line = display.validation_lines_[1]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, models[1].n_iter_ + 1))
    np.testing.assert_array_equal(drawn(line), models[1].validation_loss_curve_)
    assert (line.get_linestyle(), line.get_color(), line.get_label()) == (
        "--",
        "red",
        "b, validation",
    )
    assert display.ax_.get_ylabel() == "loss"
    models[1].set_params(early_stopping=False).fit(X, y)
    assert LossCurveDisplay.from_estimator(*models).ax_.get_ylabel() == "training loss"


def test_a_learned_rule_has_a_short_name_and_one_epoch_is_seen(trace, rules):
    X, y = classes("multiclass", n=72, seed=13)
    display = LossCurveDisplay.from_estimator(network(rules["link"], n_epochs=1).fit(X, y))
    assert len(display.names[0]) <= 40 and "LearnedUpdateRule" in display.names[0]
    assert display.lines_[0].get_marker() == "o"


def test_a_loss_curve_display_says_what_is_wrong():
    X, y = classes("binary")
    model = network(SGD(0.1)).fit(X, y)
    with pytest.raises(ValueError, match="at least one model, got none"):
        LossCurveDisplay.from_estimator()
    with pytest.raises(ValueError, match="give them one by one"):
        LossCurveDisplay.from_estimator([model])
    with pytest.raises(NotFittedError):
        LossCurveDisplay.from_estimator(network(SGD(0.1)))
    ensemble = network(SGD(0.1)).set_params(n_members=2).fit(X, y)
    with pytest.raises(ValueError, match=r"no loss_curve_ to draw: .*model\.members_\[0\]"):
        LossCurveDisplay.from_estimator(ensemble)
    with pytest.raises(ValueError, match="DummyClassifier has no loss_curve_ to draw"):
        LossCurveDisplay.from_estimator(DummyClassifier().fit(X, y))
    with pytest.raises(ValueError, match="got 2 names, 1 models"):
        LossCurveDisplay.from_estimator(model, names=["a", "b"])
    with pytest.raises(ValueError, match="line_kwargs must be one dict or 1 of them, got 2"):
        LossCurveDisplay.from_estimator(model, line_kwargs=[{}, {}])


@pytest.mark.parametrize("scope", ["link", "neuron"])
def test_effects_are_drawn_as_the_rule_explains_them(rules, scope):
    display = LearnedRuleDisplay.from_rule(rules[scope], n_points=9)
    effects = rules[scope].explain(9).effects
    assert list(display.lines_) == list(effects) == [ax.get_xlabel() for ax in display.ax_]
    for name, (values, predictions) in effects.items():
        (line,) = display.lines_[name]
        np.testing.assert_array_equal(line.get_xdata(), values)
        np.testing.assert_array_equal(drawn(line), predictions)
    assert not display.teacher_lines_
    label = {"link": "update / (rms_0.9)", "neuron": "message / (δ_h·w_hi)"}[scope]
    assert display.ax_[0].get_ylabel() == label


def test_the_inputs_and_updates_that_change_most_are_drawn(rules):
    display = LearnedRuleDisplay.from_rule(rules["network"])
    effects = rules["network"].explain(50).effects
    moves = {name: np.ptp(predictions, axis=0) for name, (_, predictions) in effects.items()}
    most = sorted(moves, key=lambda name: -moves[name].max())[:12]
    assert list(display.lines_) == [name for name in effects if name in most]
    for name, lines in display.lines_.items():
        assert len(lines) == 20
        assert sorted(np.ptp(drawn(line)) for line in lines) == pytest.approx(
            np.sort(moves[name])[-20:]
        )
    chosen = LearnedRuleDisplay.from_rule(rules["network"], inputs=["targets[1]", "weights[3]"])
    assert list(chosen.lines_) == ["targets[1]", "weights[3]"]


# Of each teacher the input that it follows, and by how much, from its equation.
TEACHERS = [
    (SGD(0.1), "gradient/rms_0.9", -0.1),
    (SGD(0.023), "gradient/rms_0.9", -0.023),
    (SGD(0.01, momentum=0.9), "momentum_0.9/rms_0.9", -0.1),
    (Adam(0.01), "momentum_0.9/rms_0.999", -0.01),
]


@pytest.mark.parametrize(("teacher", "followed", "slope"), TEACHERS)
def test_a_teacher_is_drawn_by_its_equation(teacher, followed, slope):
    rule = LearnedUpdateRule(Ridge(alpha=1e-8)).fit(record(teacher, n_epochs=20))
    display = LearnedRuleDisplay.from_rule(rule, teacher)
    for name, line in display.teacher_lines_.items():
        values, heights = np.asarray(line.get_xdata()), drawn(line)
        wanted = slope * (values - values[0]) if name == followed else 0 * values
        tolerance = 0.02 * abs(slope) * np.ptp(values)
        assert heights - heights[0] == pytest.approx(wanted, abs=tolerance), name
        learned = drawn(display.lines_[name][0])
        if teacher.get_params().get("momentum", 0) == 0:  # its rule saw the warming up too
            assert heights == pytest.approx(learned, abs=0.05 * abs(slope))


def test_the_teacher_of_messages_is_rule_6(trace):
    rule = LearnedUpdateRule(LinearRegression(), scope="neuron").fit(trace)
    display = LearnedRuleDisplay.from_rule(rule, Adam())
    line = display.teacher_lines_["derivative"]
    np.testing.assert_allclose(drawn(line), line.get_xdata(), atol=1e-8)
    assert display.formula in display.figure_.get_suptitle()


def test_a_rule_display_says_what_is_wrong(trace, rules):
    with pytest.raises(NotFittedError):
        LearnedRuleDisplay.from_rule(LearnedUpdateRule())
    with pytest.raises(ValueError, match=r"inputs must be names from .*, got \['momentum'\]"):
        LearnedRuleDisplay.from_rule(rules["link"], inputs=["momentum"])
    with pytest.raises(
        ValueError, match=r"Adam\(\) in the rule's normalizer, rms_0.9, is not linear in the inputs"
    ):
        LearnedRuleDisplay.from_rule(rules["link"], Adam())
    with pytest.raises(ValueError, match="scope='network' no teacher can be drawn"):
        LearnedRuleDisplay.from_rule(rules["network"], SGD(0.1))


@pytest.fixture(params=["trace", "imitation", "rule", "steps"])
def draw(request, trace, rules):
    return {
        "trace": (3, lambda ax: TraceDisplay.from_trace(trace, ax=ax)),
        "imitation": (2, lambda ax: ImitationDisplay.from_rule(rules["link"], trace, ax=ax)),
        "rule": (3, lambda ax: LearnedRuleDisplay.from_rule(rules["neuron"], ax=ax)),
        "steps": (6, lambda ax: UpdateRuleDisplay.from_trace(trace, ax=ax)),
    }[request.param]


def test_one_axes_is_divided(draw):
    n, display = draw
    figure, (left, right) = plt.subplots(1, 2)
    drawn = display(left)
    assert drawn.figure_ is figure and len(drawn.ax_) == n
    assert not left.axison and not left.lines and not right.lines
    box = left.get_subplotspec().get_position(figure)
    for ax in drawn.ax_:
        inner = ax.get_subplotspec().get_position(figure)
        assert box.x0 - 1e-9 <= inner.x0 and inner.x1 <= box.x1 + 1e-9


def test_several_axes_are_taken_as_they_are(draw):
    n, display = draw
    _, axes = plt.subplots(n, 1)
    assert list(display(axes).ax_) == list(axes)
    assert all(ax.lines for ax in axes)


def test_other_axes_are_refused(draw):
    n, display = draw
    _, axes = plt.subplots(n + 1)
    with pytest.raises(
        ValueError, match=f"ax must be one Axes or {n} of them, got {n + 1} objects"
    ):
        display(axes)
    with pytest.raises(ValueError, match=r"must come from plt\.subplots or add_subplot"):
        display(plt.figure().add_axes((0, 0, 1, 1)))


def test_a_display_plots_again(trace, rules):
    for display in (
        TraceDisplay.from_trace(trace, line_kwargs={"lw": 3}),
        ImitationDisplay.from_rule(rules["link"], trace, scatter_kwargs={"s": 1}),
        LearnedRuleDisplay.from_rule(rules["link"], line_kwargs={"c": "green"}),
        UpdateRuleDisplay.from_trace(trace, line_kwargs={"ls": ":"}),
    ):
        figure = display.figure_
        assert display.plot() is display
        assert display.figure_ is not figure


def test_without_matplotlib_the_error_says_what_to_install(trace, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"TraceDisplay\.from_trace requires matplotlib"):
        TraceDisplay.from_trace(trace)


def test_imitation_is_that_of_the_scope_that_was_fitted():
    X, y = load_iris(return_X_y=True)
    recorder = TraceRecorder("all")
    model = BackpropMLPClassifier(
        (4,), update_rule=SGD(0.1), batch_size=30, max_iter=3, n_iter_no_change=np.inf
    )
    model.set_callbacks(recorder).fit(X, y)
    rule = LearnedUpdateRule(Ridge()).fit(recorder.trace_)
    before = ImitationDisplay.from_rule(rule, recorder.trace_)
    after = ImitationDisplay.from_rule(rule.set_params(scope="network"), recorder.trace_)
    assert rule.scope_ == "link"
    np.testing.assert_array_equal(after.y_pred, before.y_pred)
    assert before.ax_[0].get_xlabel() == "true update"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_displays_of_a_layer_rule_count_from_the_start_that_was_fitted():
    X, y = load_iris(return_X_y=True)
    recorder = TraceRecorder()
    model = BackpropMLPClassifier((4,), update_rule=Adam(0.03), max_iter=4, random_state=0)
    model.set_callbacks(recorder).fit(X, y)
    rule = LearnedUpdateRule(scope="layer", random_state=0).fit(recorder.trace_)
    display = ImitationDisplay.from_rule(rule, recorder.trace_)
    # The start took over the teacher's rate: of a step by that rate nothing is left to control.
    np.testing.assert_allclose(display.y_true, 0.0, atol=0.1)
    assert recorder.trace_.targets_of("layer").max() > 1  # counted from Adam(0.001)
    title = LearnedRuleDisplay.from_rule(rule).figure_.get_suptitle()
    assert all(len(line) <= 140 for line in title.splitlines())
