"""Objects that people hold say what is in them, as text and as HTML."""

from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.data import classes
from sklearn.linear_model import Ridge

from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropRNNClassifier,
    Clipped,
    HistoryLogger,
    LearnedUpdateRule,
    TraceRecorder,
)
from sklearn_metabp.description import Described, Report, Table, shortened
from sklearn_metabp.diagnostics import diagnose
from sklearn_metabp.meta_training import RuleComparison
from sklearn_metabp.meta_training.rule_comparison import ComparedTraining


class Keeper:
    """A callback that keeps the step and the state that it receives, and their representations."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    on_fit_task_begin = on_fit_task_end = setup

    def on_step_end(self, estimator, context, step):
        self.step, self.step_repr, self.step_html = step, repr(step), step._repr_html_()

    def on_epoch_end(self, estimator, context, state, params):
        self.state = state


class Html(HTMLParser):
    """Texts of an HTML representation; fails where a tag is not closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] != "style":
            self.texts.append(data)


def fit(recorder, *callbacks, rule=None, n_epochs=3, **params):
    X, y = classes("multiclass", n=40, seed=5)
    model = BackpropMLPClassifier(
        (5,), "tanh", update_rule=rule or SGD(0.1), batch_size=16, max_iter=n_epochs, tol=0
    )
    model.set_params(**{"n_iter_no_change": np.inf, "random_state": 0} | params)
    return model.set_callbacks(recorder, *callbacks).fit(X, y)


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """One object of every kind, by name."""
    recorder, history, keeper = TraceRecorder("all"), HistoryLogger(), Keeper()
    fit(recorder, history, keeper, early_stopping=True)
    on_disk = TraceRecorder("all", path=tmp_path_factory.mktemp("held") / "trace")
    fit(on_disk)
    trace = recorder.trace_
    rules = {
        scope: LearnedUpdateRule(scope=scope, random_state=0).fit(trace)
        for scope in ("link", "neuron", "network")
    }
    controller = LearnedUpdateRule(scope="layer").initialize(start="averaged_adamw")
    recorded = [step for _, step in on_disk.trace_.iter_steps(0)]
    return {
        "step": keeper.step,
        "recorded step": recorded[0],
        "trace": trace,
        "trace on disk": on_disk.trace_,
        "run": trace.recorded[0],
        "run on disk": on_disk.trace_.recorded[0],
        "recorder": recorder,
        "recorder on disk": on_disk,
        "empty recorder": TraceRecorder(),
        "history": history,
        "empty history": HistoryLogger(),
        "state": keeper.state,
        "diagnosis": diagnose(on_disk.trace_),
        "report": trace[0].report(),
        "explained controller": controller.explain(),
        "explained linear rule": LearnedUpdateRule(Ridge(1e-8)).fit(trace).explain(),
        **{f"explained {scope}": rule.explain() for scope, rule in rules.items()},
    }


def test_every_representation_is_short_and_its_html_well_formed(held):
    for name, shown in held.items():
        text, html = repr(shown), Html(shown._repr_html_())
        assert " at 0x" not in text, name
        if not isinstance(shown, Report):
            assert text.count("\n") == 0, name
            assert len(text) < 120, name
        assert "".join(html.texts).strip(), name


def test_titles_say_what_is_inside(held):
    loss = held["trace"].losses
    assert len(loss) == 9  # 36 rows in batches of 16, 16 and 4, three times
    assert repr(held["trace"]) == f"Trace of {len(loss)} steps in 1 run: 4-5-3"
    assert repr(held["run"]) == f"Run of {len(loss)} steps: 4-5-3"
    assert repr(held["recorder"]).endswith(f"with {len(loss)} steps in 1 run")
    assert repr(held["history"]) == "HistoryLogger() with 3 epochs of 1 run"
    assert repr(held["empty history"]) == "HistoryLogger() with 0 epochs of 0 runs"
    state, step = held["state"], held["step"]
    assert repr(state) == (
        f"TrainingState after 3 epochs, {state.n_steps} steps, loss {state.loss_curve[-1]:.4g}: "
        "43 parameters"
    )
    assert repr(step) == (
        f"Step {step.index}, epoch 2: loss {step.loss:.4g}, {step.n_patterns} patterns, "
        "network 4-5-3"
    )
    first = held["trace on disk"]
    assert repr(held["recorded step"]) == (
        f"Step 1, epoch 0: loss {first.losses[0]:.4g}, 16 patterns, network 4-5-3"
    )


def test_html_has_the_numbers_of_the_object(held):
    for name in ("trace", "run", "recorder", "trace on disk", "recorder on disk"):
        trace = held["trace on disk" if "disk" in name else "trace"]
        texts = Html(held[name]._repr_html_()).texts
        assert f"{trace.losses[0]:.4g}" in texts, name
        assert f"{trace.losses[-1]:.4g}" in texts, name
        assert f"1 to {len(trace)}" in texts, name
    history = held["history"].history_[-1]
    texts = Html(held["history"]._repr_html_()).texts
    assert {f"{history[key]:.4g}" for key in ("loss", "validation_score")} <= set(texts)
    texts = Html(held["step"]._repr_html_()).texts
    assert {"deltas", f"{held['step'].params.max():.4f}"} <= set(texts)
    assert any("nothing yet" in text for text in Html(held["empty recorder"]._repr_html_()).texts)


def test_an_explanation_shows_its_content(held):
    for scope in ("link", "neuron", "network", "linear rule", "controller"):
        explanation = held[f"explained {scope}"]
        assert repr(explanation) == str(explanation)
        texts = Html(explanation._repr_html_()).texts
        for name in list(explanation.effects)[:3]:
            assert name in texts
    formula = held["explained linear rule"].formula
    assert formula in Html(held["explained linear rule"]._repr_html_()).texts


def test_a_selection_shows_its_own_steps(held):
    trace = held["trace"]
    texts = Html(trace[2:5]._repr_html_()).texts
    assert "3 to 5" in texts
    assert f"{trace.losses[4]:.4g}" in texts
    assert Html(trace[:0]._repr_html_()).texts == ["Trace of 0 steps in 0 runs"]


def test_long_lists_are_shortened():
    assert shortened([("a", "b")] * 15, "run")[-1] == ("... 3 more runs", "")
    assert shortened([("a",)] * 13, "run")[-1] == ("... 1 more run",)
    assert shortened([("a",)] * 12, "run") == [("a",)] * 12
    assert shortened([("a",)] * 13, "run", None) == [("a",)] * 13


def test_a_trace_of_many_runs_shows_the_first():
    recorder = TraceRecorder(max_steps=1)
    for seed in range(14):
        fit(recorder, n_epochs=1, random_state=seed)
    texts = Html(recorder.trace_._repr_html_()).texts
    assert "... 2 more runs" in texts
    assert texts.count("4-5-3") == 12


def test_a_comparison_shows_a_row_for_every_rule():
    losses = {"Adam": [1.0, 1.0, 2.0], "other": [0.5, 2.0, 1.0]}
    trainings = [
        ComparedTraining(rule, task, 0, 0, False, loss, loss, loss, loss, 0.5, 1, 1.0, 1.0, (1.0,))
        for rule, of_rule in losses.items()
        for task, loss in enumerate(of_rule)
    ]
    comparison = RuleComparison(trainings, tuple(losses), "Adam", (0, 1, 2), (0, 1, 2))
    assert repr(comparison) == "RuleComparison of 2 rules on 3 tasks, 1 start each: reference Adam"
    texts = Html(comparison._repr_html_()).texts
    assert texts[-4:] == ["other", "0.500", "2 of 3", "0"]


def test_texts_are_escaped():
    class Shown(Described):
        def _title(self):
            return "<script>alert(1)</script> & 'more'"

        def _details(self):
            return Table(("<b>",), [("<i>&",)]), "<u>text</u>", Table.of_facts({"<a>": "<p>"})

    texts = Html(Shown()._repr_html_()).texts
    assert texts == [Shown()._title(), "<b>", "<i>&", "<u>text</u>", "<a>", "<p>"]


def test_a_step_shows_itself_while_a_training_runs():
    keeper = Keeper()
    model = fit(keeper, rule=Clipped(SGD(0.1)), n_epochs=1)
    assert keeper.step_repr.startswith("Step 3, epoch 0: loss ")
    assert "updates" in Html(keeper.step_html).texts
    assert model.n_iter_ == 1


@pytest.mark.parametrize("cell", ["elman", "gru"])
def test_a_recurrent_network_is_shown_too(cell):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 4, 2)), np.arange(12) % 2
    recorder = TraceRecorder("all")
    model = BackpropRNNClassifier(3, cell=cell, update_rule=SGD(0.1), batch_size=6, max_iter=2)
    model.set_params(n_iter_no_change=np.inf, random_state=0).set_callbacks(recorder).fit(X, y)
    trace = recorder.trace_
    assert repr(trace).endswith("2-3-2") or repr(trace).endswith("2-3-1")
    text = str(trace[1].report(2, max_rows=None))
    assert "coefs_[1][2,2]" in text
    assert "input [1]" in text
    assert "hidden 1 [2]" in text
    assert len(trace.to_frame("all")) == 4
