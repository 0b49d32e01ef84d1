"""Diagnoses: the table of checks, verdicts in words, the doctor and recorded trainings."""

import contextlib
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.diagnostics import classifier, problem, record, regressor
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

import sklearn_metabp
from sklearn_metabp import (
    LBFGS,
    SGD,
    Adam,
    BackpropMLPClassifier,
    DivergenceError,
    EarlyStopping,
    LearnedUpdateRule,
    TraceRecorder,
    TrainingDoctor,
)
from sklearn_metabp.diagnostics import diagnose
from sklearn_metabp.diagnostics.checks import CHECKS
from sklearn_metabp.diagnostics.course import Course, Ending
from sklearn_metabp.diagnostics.diagnosis import judge
from sklearn_metabp.diagnostics.neuron_checks import share_of_twins
from sklearn_metabp.plotting import DiagnosisDisplay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROOT = Path(sklearn_metabp.__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
needs_benchmarks = pytest.mark.skipif(not BENCHMARKS.exists(), reason="benchmarks not installed")

X, LABELS, NUMBERS = problem(n=120)
X = scale(X)


@pytest.fixture
def sick_trainings(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import sick_trainings

    return sick_trainings


def watched(model, *data, **fit):
    """Fit under a doctor, and return its diagnosis."""
    doctor = TrainingDoctor()
    with contextlib.suppress(DivergenceError):
        model.set_callbacks(doctor).fit(*data, **fit)
    return doctor.diagnosis_


QUICK = (
    "rate so high that it diverges",
    "rate too low",
    "dead neurons from the start",
    "saturated tanh",
    "vanishing gradients",
    "exploding gradients",
    "unscaled inputs",
    "unscaled targets",
    "constant and duplicate columns",
    "label noise, learned by heart",
    "weight decay too strong",
    "all weights start at 0",
    "too few neurons",
    "one class is predicted",
    "too few epochs",
)
HEALTHY_QUICK = (
    "Adam, two classes",
    "Rprop",
    "L-BFGS, classes",
    "L-BFGS, numbers",
    "noisy numbers",
    "multilabel",
    "diabetes",
)


@needs_benchmarks
@pytest.mark.parametrize("name", QUICK)
def test_a_sick_training_gets_the_right_verdict(sick_trainings, name):
    (case,) = (sick for sick in sick_trainings.SICK if sick.name == name)
    training = case.make(sick_trainings.GROUPS["first"](1), 1)
    diagnosis = watched(training.model, training.X, training.y, **training.fit)
    assert set(diagnosis.names) & set(case.right), diagnosis


@needs_benchmarks
@pytest.mark.parametrize("name", HEALTHY_QUICK)
def test_a_healthy_training_has_no_problem(sick_trainings, name):
    (case,) = (healthy for healthy in sick_trainings.HEALTHY if healthy.name == name)
    training = case.make(sick_trainings.GROUPS["first"](1), 1)
    diagnosis = watched(training.model, training.X, training.y, **training.fit)
    assert diagnosis.is_healthy, diagnosis


@needs_benchmarks
@pytest.mark.slow
@pytest.mark.parametrize(("group", "seed"), [("first", 5), ("second", 15), ("report", 205)])
def test_verdicts_are_right_nearly_always(sick_trainings, monkeypatch, group, seed):
    import diagnosis as benchmark

    data = sick_trainings.GROUPS[group](seed)
    hits = [
        bool(set(benchmark.examine(sick.make(data, seed)).names) & set(sick.right))
        for sick in sick_trainings.SICK
    ]
    well = [
        benchmark.examine(healthy.make(data, seed)).is_healthy
        for healthy in sick_trainings.HEALTHY
        if benchmark.is_well(healthy.make(data, seed), seed)
    ]
    assert len(hits) >= 20
    assert len(well) >= 15
    assert np.mean(hits) >= 0.9
    assert np.mean(well) >= 0.95


def test_the_table_of_checks_is_complete():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    page = (ROOT / "docs" / "diagnosing.rst").read_text(encoding="utf-8")
    page = page.partition("\nHow often it is right\n")[0]
    rows = re.findall(r"\* - ([\w -]+)\n      - [^\n]+\n      - ([\d.]+)\n", page)
    assert [(name, float(number)) for name, number in rows] == [
        (check.name, check.threshold) for check in CHECKS
    ]


OPPOSITE = (
    ("raise the learning rate", "lower the learning rate"),
    ("raise batch_size", "lower batch_size"),
    ("more neurons", "fewer neurons"),
    ("train longer", "stop early"),
    ("raise max_iter", "stop early"),
    ("raise n_iter_no_change", "stop early"),
    ("raise alpha", "less alpha"),
)


def test_opposite_advice_is_ranked():
    for place, check in enumerate(CHECKS):
        earlier = CHECKS[:place]
        assert set(check.after) <= {other.name for other in earlier}
        for other in earlier:
            for one, two in (*OPPOSITE, *((two, one) for one, two in OPPOSITE)):
                if one in check.advice and two in other.advice:
                    assert other.name in check.after, (other.name, check.name)


def test_what_follows_from_a_problem_has_no_advice_of_its_own():
    images, digits = load_digits(return_X_y=True)
    model = classifier((20,), SGD(5.0), batch_size=100, max_iter=20)
    diagnosis = watched(model, images[:600] / 16, digits[:600])
    assert diagnosis.names[0] == "rate too high"
    assert {"plateau", "class collapse"} & set(diagnosis.names)
    for finding in diagnosis.findings[1:]:
        if finding.is_problem:
            assert finding.after == "rate too high"
            assert finding.advice == "solve rate too high first"
    assert ": 1 problem" in repr(diagnosis)
    assert "raise the learning rate" not in repr(diagnosis)
    assert re.search(
        r"of 64 columns of X, \d+ never change( and 1 copies another one)?, in",
        " ".join(repr(diagnosis).split()),
    )


def test_recorded_and_watched_trainings_have_the_same_findings():
    doctor, recorder = TrainingDoctor(), TraceRecorder("all")
    for model, y in (
        (classifier((8,), SGD(1e-5), max_iter=30), LABELS),
        (regressor((8,), Adam(0.01), max_iter=30), NUMBERS),
        (classifier((8,), LBFGS(), batch_size="full", max_iter=30), LABELS),
    ):
        model.set_callbacks(doctor, recorder).fit(X, y)
        trace = recorder.trace_
        diagnosis = diagnose(trace.run(int(trace.runs[-1])))
        assert diagnosis.names == doctor.diagnosis_.names
        ours, theirs = diagnosis.course, doctor.diagnosis_.course
        assert diagnosis.n_steps == doctor.diagnosis_.n_steps
        if theirs.ending.takes_steps:
            np.testing.assert_allclose(ours.epoch_losses, theirs.epoch_losses, rtol=1e-9)
        else:  # a step has the loss before it, the curve of a search that after it
            np.testing.assert_allclose(ours.epoch_losses[1:], theirs.epoch_losses[:-1])
        np.testing.assert_allclose(ours.end_loss, theirs.end_loss, rtol=1e-6)
        for one, other in zip(ours.looks, theirs.looks, strict=True):
            assert one.index == other.index
            np.testing.assert_allclose(one.cost, other.cost, rtol=1e-7)
        assert "memorising" in diagnosis.unchecked


def test_verdicts_in_words():
    weights = [np.random.RandomState(0).normal(size=(4, 8)), np.ones((8, 3))]
    start = {"coef_init": weights, "intercept_init": [np.full(8, -30.0), np.zeros(3)]}
    diagnosis = watched(classifier((8,), SGD(0.05), max_iter=20), X, LABELS, **start)
    finding = diagnosis.findings[0]
    assert (finding.name, finding.layer, finding.step, finding.epoch) == ("dead neurons", 1, 1, 1)
    assert finding.verdict == "hidden layer 1: 100% of the neurons are dead from step 1 (epoch 1)"
    assert finding.value == finding.facts["share"] == 1.0
    text = repr(diagnosis)
    assert text.startswith("Diagnosis of 160 steps in 20 epochs: ")
    assert "- dead neurons: hidden layer 1: 100% of the neurons are dead" in text
    assert "Advice: lower the learning rate" in text
    assert max(map(len, text.splitlines())) <= 79


def test_a_neuron_that_dies_is_dated():
    # a huge update in the third step kills all neurons
    class Blow(sklearn_metabp.UpdateRule):
        def init_state(self, layout):
            return {"t": 0}

        def compute_update(self, step, state):
            state["t"] += 1
            if state["t"] == 3:
                update = np.zeros_like(step.params)
                update[step.layout.n_weights :][:8] = -100
                return update
            return -0.01 * step.gradients

    finding = next(
        finding
        for finding in watched(classifier((8,), Blow(), max_iter=20), X, LABELS).findings
        if finding.name == "dead neurons"
    )
    assert finding.step == 4


def test_a_divergence_is_diagnosed_though_fit_raises(capsys):
    doctor = TrainingDoctor(verbose=True)
    model = regressor((8,), SGD(50.0), max_iter=20).set_callbacks(doctor)
    with pytest.raises(DivergenceError):
        model.fit(X, NUMBERS)
    assert doctor.diagnosis_.names[0] == "rate too high"
    assert "the training diverged" in doctor.diagnosis_.findings[0].verdict
    assert capsys.readouterr().out.startswith("Diagnosis of ")


def test_a_divergence_that_kept_the_best_is_diagnosed():
    class Late(sklearn_metabp.UpdateRule):
        replayable = False

        def init_state(self, layout):
            return {"t": 0}

        def compute_update(self, step, state):
            state["t"] += 1
            return -(0.1 if state["t"] < 40 else 1e200) * step.gradients

    doctor = TrainingDoctor()
    model = regressor((8,), Late(), max_iter=20)
    model.set_callbacks(doctor, EarlyStopping("loss")).fit(X, NUMBERS)
    assert "the training diverged" in doctor.diagnosis_.findings[0].verdict


def test_another_error_leaves_a_diagnosis_and_is_not_hidden():
    class Stops:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...
        def on_fit_task_end(self, estimator, context): ...
        def on_step_end(self, estimator, context, step):
            if step.index == 12:
                raise RuntimeError("enough")

    doctor = TrainingDoctor()
    model = classifier(max_iter=20).set_callbacks(doctor, Stops())
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, LABELS)
    assert doctor.diagnosis_.n_steps == 12


@pytest.mark.parametrize("step", [1, 2])
def test_an_error_before_the_first_look_is_not_hidden(step):
    class Stops(TrainingDoctor):
        def on_step_end(self, estimator, context, taken):
            if taken.index == step:
                raise RuntimeError("enough")

    doctor = TrainingDoctor()
    classifier(max_iter=2).set_callbacks(doctor).fit(X, LABELS)
    model = classifier(max_iter=2).set_callbacks(Stops(), doctor)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, LABELS)
    diagnosis = doctor.diagnosis_
    if step == 1:
        assert not diagnosis.is_healthy
        assert diagnosis.course is None
        assert diagnosis.names == ["no step"]
        assert diagnosis.findings[0].verdict.endswith("by RuntimeError: enough")
        pytest.importorskip("matplotlib")
        with pytest.raises(ValueError, match="nothing to draw"):
            DiagnosisDisplay.from_diagnosis(doctor)
    else:
        assert diagnosis.n_steps == 2
        assert diagnosis.n_epochs == 0


def test_a_setup_that_fails_is_not_hidden():
    class Fails(TrainingDoctor):
        def setup(self, estimator, context):
            raise RuntimeError("enough")

    doctor = TrainingDoctor()
    model = classifier(max_iter=2).set_callbacks(doctor).fit(X, LABELS)
    for estimator in (model, classifier(max_iter=2)):
        with pytest.raises(RuntimeError, match="enough"):
            estimator.set_callbacks(doctor, Fails()).fit(X, LABELS)
        assert doctor.diagnosis_.names == ["no step"]
        estimator.set_callbacks(doctor).fit(X, LABELS)
        assert doctor.diagnosis_.n_steps == 16


def test_a_divergence_in_the_first_step_has_a_diagnosis():
    doctor = TrainingDoctor()
    with pytest.raises(DivergenceError):
        regressor(max_iter=2).set_callbacks(doctor).fit(X, 1e300 * NUMBERS)
    assert "DivergenceError" in doctor.diagnosis_.findings[0].verdict


class Counts(TrainingDoctor):
    """A doctor that notes the numbers of the steps that it receives."""

    def __init__(self):
        super().__init__()
        self.received = []

    def on_step_end(self, estimator, context, step):
        self.received.append(step.index)
        super().on_step_end(estimator, context, step)


def test_a_doctor_receives_few_steps():
    doctor = Counts()
    model = classifier((8,), Adam(0.01), max_iter=150, batch_size=12).set_callbacks(doctor)
    model.fit(X, LABELS)
    assert doctor.diagnosis_.n_steps == 1500
    assert doctor.diagnosis_.n_epochs == 150
    looks = [look.index for look in doctor.diagnosis_.course.looks]
    assert set(looks) <= set(doctor.received)
    assert {index + 1 for index in looks} <= set(doctor.received)
    # the first epoch, and about six pairs for every time that the training is twice as long
    assert len(doctor.received) < 12 + 2 * (12 + 6 * 5)
    assert doctor.received[-1] > 1400
    np.testing.assert_allclose(
        doctor.diagnosis_.course.epoch_losses, model.loss_curve_, rtol=0, atol=0
    )


def test_a_rise_between_two_looks_is_found():
    # one huge step, far from every look, which the next one takes back
    class Jumps(sklearn_metabp.UpdateRule):
        def init_state(self, layout):
            return {"t": 0}

        def compute_update(self, step, state):
            state["t"] += 1
            if 1190 <= state["t"] <= 1194:
                jump = {1190: 300.0, 1194: -300.0}.get(state["t"], 0.0)
                return np.full_like(step.params, jump)
            return -0.05 * step.gradients

    doctor = Counts()
    model = regressor((8,), Jumps(), max_iter=200, batch_size=12).set_callbacks(doctor)
    model.fit(X, NUMBERS)
    assert not set(range(1191, 1195)) & set(doctor.received)
    finding = doctor.diagnosis_.findings[0]
    assert finding.name == "rate too high"
    assert "the loss rose to" in finding.verdict


def test_an_interrupted_training_has_its_course():
    class Interrupts(Counts):
        def on_step_end(self, estimator, context, step):
            if step.index == 44:
                raise KeyboardInterrupt

        def next_step(self, estimator, index):
            return index

    doctor = TrainingDoctor()
    model = classifier(max_iter=20).set_callbacks(doctor, Interrupts())
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, LABELS)
    assert doctor.diagnosis_.n_steps == 44
    assert doctor.diagnosis_.course.epoch_losses.tolist() == model.loss_curve_
    np.testing.assert_array_equal(doctor.diagnosis_.course.params, model.params_)


def test_partial_fit_and_warm_start_continue_the_course():
    doctor = TrainingDoctor()
    model = classifier(warm_start=True, max_iter=2).set_callbacks(doctor)
    model.fit(X, LABELS).fit(X, LABELS).partial_fit(X, LABELS)
    assert doctor.diagnosis_.n_epochs == 5
    assert doctor.diagnosis_.course.looks[0].index == 1
    assert doctor.diagnosis_.n_steps == 40
    model.set_params(warm_start=False).fit(X, LABELS)
    assert doctor.diagnosis_.n_epochs == 2


def test_pickles_clones_and_searches_have_the_doctor():
    doctor = TrainingDoctor()
    with pytest.raises(NotFittedError, match="observed no training yet"):
        _ = doctor.diagnosis_
    model = classifier(max_iter=10).set_callbacks(doctor)
    search = GridSearchCV(model, {"alpha": [0.1, 1e-4]}, cv=2).fit(X, LABELS)
    assert doctor.diagnosis_.course.network.alpha == search.best_params_["alpha"]
    loaded = pickle.loads(pickle.dumps(search.best_estimator_))
    assert loaded.score(X, LABELS) == search.score(X, LABELS)
    again = pickle.loads(pickle.dumps(doctor))
    assert again.diagnosis_.names == doctor.diagnosis_.names
    clone(model).fit(X, LABELS)
    assert doctor.diagnosis_.n_epochs == 10
    assert repr(again) == "TrainingDoctor(verbose=False)"
    with pytest.raises(ValueError, match="verbose must be True or False, got 2"):
        TrainingDoctor(verbose=2)


def test_learned_rules_float32_and_weights_are_diagnosed():
    trace = record(classifier((6,), SGD(0.3), max_iter=10), X, LABELS, "default")
    learned = LearnedUpdateRule(random_state=0).fit(trace)
    weight = np.random.RandomState(0).uniform(0.1, 2.0, len(X))
    for model, data in (
        (classifier((6,), learned, max_iter=30), (X, LABELS, weight)),
        (classifier((6,), "adam", max_iter=30, dropout=0.2), (X.astype(np.float32), LABELS)),
        (classifier((), "sgd", max_iter=30), (X, LABELS)),
        (regressor((6,), "muon", max_iter=30, batch_size=1), (X, NUMBERS)),
    ):
        diagnosis = watched(model, *data)
        assert diagnosis.course.looks
        assert np.isfinite(diagnosis.course.end_loss)
        assert repr(diagnosis)


def test_what_a_diagnosis_needs():
    with pytest.raises(ValueError, match=r"has no activations and no derivatives.*'all'"):
        diagnose(record(classifier(), X, LABELS, "default"))
    one = record(classifier(), X, LABELS)
    with pytest.raises(ValueError, match=r"has 2 runs: diagnose them one by one"):
        diagnose(one + record(classifier((3,)), X, LABELS))
    with pytest.raises(TypeError, match="computed from a Trace, got Backprop"):
        diagnose(BackpropMLPClassifier())


def test_few_steps_are_enough_for_an_answer():
    for model in (classifier(max_iter=1, batch_size="full"), classifier(max_iter=1)):
        diagnosis = watched(model, X[:20], LABELS[:20])
        assert diagnosis.n_epochs == 1
        assert {"memorising"} <= set(diagnosis.unchecked)


def course(**changes):
    """Return the course of a training that went well, with changes."""
    doctor = TrainingDoctor()
    model = classifier((8,), Adam(0.01), max_iter=80).set_callbacks(doctor)
    model.fit(X, (X[:, 0] > 0).astype(int))
    healthy = doctor.diagnosis_.course
    assert judge(healthy, 1).is_healthy
    return Course(**{**{name: vars(healthy)[name] for name in Course.__dataclass_fields__},
                     **changes})  # fmt: skip


def test_unfinished_follows_the_slowing_of_the_decrease():
    constant = course().constant
    line = course(epoch_losses=np.linspace(1.0, 0.4, 61))
    # two thirds of it are 0.4, so as many epochs again would win all 0.4 that are left
    np.testing.assert_allclose(line.unfinished * constant, 0.4, rtol=0.1)
    halves = course(epoch_losses=0.5 + 0.5 ** (np.arange(61) / 10))
    # a decrease that halves every ten epochs: the rest is 0.5 ** 6
    assert halves.unfinished * constant < 0.03
    flat = course(epoch_losses=np.full(61, 0.7))
    assert flat.unfinished == 0
    noisy = course(epoch_losses=0.7 + 0.1 * np.random.RandomState(0).normal(size=61))
    assert noisy.unfinished == 0
    assert course(epoch_losses=np.linspace(1.0, 0.4, 61)[:2]).unfinished is not None


def test_validation_decides_about_patience_and_memory():
    losses = np.concatenate([np.linspace(0.7, 0.3, 20), np.linspace(0.3, 0.9, 60)])
    sick = course(ending=Ending(is_known=True, validation_losses=losses))
    finding = judge(sick, 1).findings[0]
    assert finding.name == "memorising"
    np.testing.assert_allclose(finding.value, 3.0)
    assert finding.epoch >= 20
    falling = np.linspace(1.0, 0.4, 80)
    ending = Ending(is_known=True, ran_out_of_patience=True, validation_losses=np.full(80, 0.6))
    assert "patience too short" not in judge(course(epoch_losses=falling, ending=ending), 1).names


def test_structure_tells_noise_from_stiffness():
    random = np.random.RandomState(0)
    rows = random.uniform(-2, 2, (400, 1))
    wave = np.sin(4 * rows[:, 0])
    stiff = watched(regressor((), Adam(0.05), max_iter=40), rows, wave)
    noise = watched(regressor((), Adam(0.05), max_iter=40), rows, random.normal(size=400))
    assert stiff.course.structure > 0.9
    assert abs(noise.course.structure) < 3 * noise.course.structure_error


@pytest.mark.parametrize("n_twins", [0, 2, 5])
def test_share_of_equal_columns(n_twins):
    weights = np.random.RandomState(0).normal(size=(3, 5))
    weights[:, :n_twins] = 1.0
    assert share_of_twins(weights) == n_twins / 5


def test_every_rule_is_diagnosed():
    from sklearn_metabp.update_rules import named_rules

    for name in named_rules.__all__:
        rule = getattr(sklearn_metabp, name)
        model = classifier((5,), rule(), batch_size="full", max_iter=5)
        assert watched(model, X, LABELS).n_epochs >= 1, name


def test_sampled_steps_and_traces_on_disk_are_diagnosed(tmp_path):
    recorder = TraceRecorder("all", every=2, path=tmp_path / "sampled")
    whole = TraceRecorder("all", path=tmp_path / "whole")
    doctor = TrainingDoctor()
    model = classifier((8,), SGD(1e-5), max_iter=30, dropout=0.2)
    model.set_callbacks(recorder, whole, doctor).fit(X, LABELS)
    sampled = diagnose(recorder.trace_)
    assert sampled.unchecked["rate too low"] == "the loss at both ends of steps"
    assert diagnose(whole.trace_).names == doctor.diagnosis_.names == ["rate too low"]
