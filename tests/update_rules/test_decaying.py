"""Decoupled decay: its unit of epochs, and caution."""

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes
from helpers.rules import make_step, walk

from sklearn_metabp import AdamW, BackpropMLPClassifier, Layerwise, Lion, Muon, Prodigy, UpdateRule
from sklearn_metabp.network import ParameterLayout

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Still(UpdateRule):
    """Moves nothing."""

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return np.zeros_like(step.gradients)


DECAYING = [AdamW, Lion, Muon, Prodigy]
by_kind = pytest.mark.parametrize("kind", DECAYING, ids=lambda kind: kind.__name__)


def decayed(rule, n_steps, steps_per_epoch, n_planned=100):
    """Return the parameters, all 1 at first, after steps without gradients."""
    layout = ParameterLayout((3, 2, 2))
    state, params = rule.init_state(layout), np.ones(layout.n_params)
    step = make_step(layout, np.zeros(layout.n_params), params, n_planned=n_planned)
    step.steps_per_epoch = steps_per_epoch
    for t in range(1, n_steps + 1):
        step.index = t
        params += rule.compute_update(step, state)
    return layout.coefs(params), layout.intercepts(params)


@by_kind
@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("steps_per_epoch", [1, 4, 25])
def test_without_gradients_a_weight_is_divided_by_e(kind, cautious, steps_per_epoch):
    rule = kind(decay_epochs=3, cautious=cautious)
    coefs, intercepts = decayed(rule, 3 * steps_per_epoch, steps_per_epoch)
    for weights in coefs:
        np.testing.assert_allclose(weights, 1 / np.e, rtol=1e-12)
    for biases in intercepts:
        np.testing.assert_array_equal(biases, 1)
    coefs, _ = decayed(kind(decay_epochs=np.inf), 5, steps_per_epoch)
    np.testing.assert_array_equal(coefs[0], 1)


@by_kind
def test_the_schedule_applies_to_the_decay(kind):
    rule = kind(decay_epochs=3, schedule=lambda t, t_planned: 0.5 if t == 1 else 0.0)
    coefs, _ = decayed(rule, 6, 4)
    np.testing.assert_allclose(coefs[0], 1 - 0.5 * (1 - np.exp(-1 / 12)), rtol=1e-12)


@by_kind
def test_the_unit_stands_for_a_product_of_decay_and_rate(kind):
    """With d0 = 1 and no gradients, Prodigy's rate is its learning_rate, too."""
    given = {"d0": 1.0} if kind is Prodigy else {}
    decay = (1 - np.exp(-1 / (3 * 4))) / 0.05
    one, _ = decayed(kind(0.05, decay_epochs=3, **given), 10, 4)
    other, _ = decayed(kind(0.05, weight_decay=decay, **given), 10, 4)
    np.testing.assert_allclose(one[0], other[0], rtol=1e-12)


@pytest.mark.parametrize("batch_size", [7, 16, "full"])
def test_a_training_counts_its_own_epochs(batch_size):
    X, y = classes("multiclass", seed=2)
    notes = StepNotes()
    rule = Layerwise(Still(), decay_epochs=4)
    model = BackpropMLPClassifier(
        (5,), update_rule=rule, max_iter=4, batch_size=batch_size, tol=0, random_state=0
    )
    model.set_params(n_iter_no_change=np.inf).set_callbacks(notes).fit(X, y)
    first = notes.steps[0]["coefs"]
    for weights, start in zip(model.coefs_, first, strict=True):
        np.testing.assert_allclose(weights, start / np.e, rtol=1e-12)
    np.testing.assert_array_equal(model.intercepts_[0], notes.steps[0]["intercepts"][0])


@by_kind
@pytest.mark.parametrize("given", [0.0, None], ids=["no decay", "the default"])
def test_one_of_the_two_units_has_to_be_left_alone(kind, given):
    rule = kind(decay_epochs=5) if given is None else kind(decay_epochs=5, weight_decay=given)
    rule.init_state(ParameterLayout((2, 1)))
    with pytest.raises(ValueError, match="both set the decay of the weights"):
        rule.set_params(weight_decay=0.37).init_state(ParameterLayout((2, 1)))


def test_a_class_with_a_decay_of_its_own_needs_no_parameter_for_it():
    class Strong(AdamW):
        def __init__(self, decay_epochs=None):
            super().__init__(weight_decay=1.0, decay_epochs=decay_epochs)

    Strong().init_state(ParameterLayout((2, 1)))
    with pytest.raises(ValueError, match=r"weight_decay=1.0 and decay_epochs=2 both set"):
        Strong(decay_epochs=2).init_state(ParameterLayout((2, 1)))


@by_kind
def test_caution_changes_steps_that_enlarge_a_weight_and_no_others(kind):
    """Against the same step without decay, and with the decay of all weights."""
    layout = ParameterLayout((4, 3, 2))
    rng = np.random.default_rng(0)
    gradients, params = rng.standard_normal((2, layout.n_params))

    def update(**given):
        rule = kind(0.1, **given)
        step = make_step(layout, gradients, params)
        return np.array(rule.compute_update(step, rule.init_state(layout)))

    none, all_weights = update(weight_decay=0.0), update(weight_decay=0.5)
    cautious = update(weight_decay=0.5, cautious=True)
    enlarges = none * params > 0
    assert 5 < enlarges[: layout.n_weights].sum() < layout.n_weights - 5
    np.testing.assert_array_equal(cautious, np.where(enlarges, none, all_weights))


@pytest.mark.parametrize("unit", [{"weight_decay": 0.3}, {"decay_epochs": 4.0}], ids=str)
@pytest.mark.parametrize("cautious", [False, True])
@pytest.mark.parametrize("kind", DECAYING, ids=lambda kind: kind.__name__)
def test_a_schedule_of_the_decay_multiplies_the_decay_alone(kind, cautious, unit):
    """Two steps from the same weights and gradients, with and without decay, differ by it."""
    rng = np.random.default_rng(2)
    gradients, start = rng.standard_normal((1, 20)), rng.standard_normal(20)

    def first_update(**options):
        updates, *_ = walk(
            kind(cautious=cautious, schedule=lambda t, n: 0.7, **options),
            gradients,
            start,
            layer_sizes=(3, 3, 2),
        )
        return updates[0]

    none = first_update(decay_schedule=lambda t, n: 0.0, **unit)
    whole = first_update(**unit) - none
    third = first_update(decay_schedule=lambda t, n: 1 / 3, **unit) - none
    largest = np.abs(whole[:15]).max()
    assert largest > 1e-8
    np.testing.assert_allclose(third, whole / 3, rtol=1e-9, atol=1e-7 * largest)


def test_decay_follows_its_schedule_times_that_of_the_rate():
    n = 8
    rule = AdamW(0.1, weight_decay=0.5, schedule="cosine", decay_schedule="flat_cosine")
    updates, *_ = walk(rule, np.zeros((n, 2)), [2.0, 0.0], n_planned=n, layer_sizes=(1, 1))
    weights = 2 + np.concatenate([[0], np.cumsum(updates[:-1, 0])])
    shares = -updates[:, 0] / weights
    t = np.arange(n)
    of_rate = (1 + np.cos(np.pi * t / n)) / 2
    of_decay = np.where(t < n / 2, 1, (1 + np.cos(np.pi * (2 * t / n - 1))) / 2)
    np.testing.assert_allclose(shares, 0.1 * 0.5 * of_rate * of_decay, rtol=1e-12)


@pytest.mark.parametrize("schedule", ["adaptive", "linear", 0.5])
def test_decay_has_no_schedule_that_depends_on_the_loss(schedule):
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 1]
    with pytest.raises(ValueError, match="decay_schedule"):
        BackpropMLPClassifier((2,), update_rule=AdamW(decay_schedule=schedule)).fit(X, y)


def test_an_error_of_a_schedule_names_the_parameter():
    X, y = [[0.0], [1.0], [2.0]], [0, 1, 1]
    rule = AdamW(decay_schedule=lambda t, t_planned: -1.0)
    with pytest.raises(ValueError, match=r"decay_schedule=.* a factor of the decay of the weights"):
        BackpropMLPClassifier((2,), update_rule=rule).fit(X, y)
