"""Rates, decay and freezing for single matrices and vectors."""

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from helpers.data import classes
from helpers.rules import make_step, walk

from sklearn_metabp import (
    SGD,
    Adam,
    AdamW,
    Averaged,
    BackpropMLPClassifier,
    Clipped,
    Layerwise,
    Lion,
    Muon,
    Prodigy,
    Safeguarded,
    ScheduleFree,
    UpdateRule,
)
from sklearn_metabp.network import ParameterLayout

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
LAYOUT = ParameterLayout((2, 3, 4, 1))
NAMES = [tensor.name for tensor in LAYOUT.tensors]


def by_name(flat):
    """Return the one value of every tensor in a flat vector."""
    values = {tensor.name: set(flat[tensor.slice]) for tensor in LAYOUT.tensors}
    assert all(len(found) == 1 for found in values.values())
    return {name: found.pop() for name, found in values.items()}


def update(rule, gradient=-1.0, weight=0.0, steps_per_epoch=1):
    """Return the first update of every tensor, for one gradient and one weight of all."""
    gradients, params = np.full(LAYOUT.n_params, gradient), np.full(LAYOUT.n_params, weight)
    step = make_step(LAYOUT, gradients, params)
    step.steps_per_epoch = steps_per_epoch
    return by_name(rule.compute_update(step, rule.init_state(LAYOUT)))


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ([0], ["coefs_[0]", "intercepts_[0]"]),
        ([-1], ["coefs_[2]", "intercepts_[2]"]),
        ([-3, np.int64(2)], ["coefs_[0]", "intercepts_[0]", "coefs_[2]", "intercepts_[2]"]),
        (["coefs_[1]"], ["coefs_[1]"]),
        (["intercepts_"], ["intercepts_[0]", "intercepts_[1]", "intercepts_[2]"]),
        (["coefs_", "intercepts_[2]"], ["coefs_[0]", "coefs_[1]", "coefs_[2]", "intercepts_[2]"]),
        ([], []),
    ],
)
def test_keys_stand_for_layers_groups_and_names(keys, names):
    expected = {name: 0.25 if name in names else 1.0 for name in NAMES}
    assert update(Layerwise(SGD(1.0), rates=dict.fromkeys(keys, 0.25))) == expected
    frozen = {name: 0.0 if name in names else 1.0 for name in NAMES}
    for given in (keys, tuple(keys), set(keys)):
        assert update(Layerwise(SGD(1.0), frozen=given)) == frozen
    decays = {name: -0.75 if name in names else 0.0 for name in NAMES}
    epochs = dict.fromkeys(keys, 1 / np.log(4))
    rule = Layerwise(SGD(1.0), decay_epochs=epochs)
    assert update(rule, 0.0, 1.0) == pytest.approx(decays)


def test_several_keys_multiply_rates_and_add_up_decay():
    rule = Layerwise(SGD(1.0), rates={"intercepts_": 2.0, 0: 0.25, "intercepts_[0]": 3.0})
    expected = dict.fromkeys(NAMES, 1.0) | {"coefs_[0]": 0.25, "intercepts_[0]": 1.5}
    assert update(rule) == expected | {"intercepts_[1]": 2.0, "intercepts_[2]": 2.0}
    rule = Layerwise(SGD(1.0), decay_epochs={"coefs_": 4.0, 0: 4.0, -1: np.inf})
    found = update(rule, 0.0, 1.0, steps_per_epoch=5)
    once, twice = 1 - np.exp(-1 / 20), 1 - np.exp(-1 / 10)
    assert found == pytest.approx(
        dict.fromkeys(NAMES, -once)
        | {"coefs_[0]": -twice, "intercepts_[1]": 0.0, "intercepts_[2]": 0.0}
    )


def test_functions_of_a_tensor():
    def rate(tensor):
        return 1.0 if tensor.is_bias or tensor.layer == 0 else 6 / tensor.shape[0]

    rule = Layerwise(SGD(1.0), rates=rate, decay_epochs=lambda tensor: np.inf)
    expected = dict.fromkeys(NAMES, 1.0) | {"coefs_[1]": 2.0, "coefs_[2]": 1.5}
    assert update(rule, weight=1.0) == expected


def test_one_number_decays_weights_and_no_biases():
    found = update(Layerwise(SGD(1.0), decay_epochs=1 / np.log(2)), 0.0, 1.0)
    assert found == pytest.approx({name: -0.5 * name.startswith("coefs_") for name in NAMES})


def test_nothing_given_is_the_rule_within():
    rng = np.random.default_rng(0)
    gradients, start = rng.standard_normal((20, 6)), rng.standard_normal(6)
    for inner in (Adam(0.1), Prodigy()):
        ours, *_ = walk(Layerwise(inner), gradients, start)
        np.testing.assert_array_equal(ours, walk(inner, gradients, start)[0])


def train(rule, n_epochs=5, **setting):
    X, y = classes("multiclass", seed=2)
    setting = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 16} | setting
    notes = StepNotes()
    model = BackpropMLPClassifier((5, 4), "tanh", update_rule=rule, max_iter=n_epochs, **setting)
    return model.set_callbacks(notes).fit(X, y), notes.steps


@pytest.mark.parametrize("inner", [Adam(0.05), Clipped("sgd"), "prodigy", "muon"], ids=str)
def test_frozen_weights_keep_their_bits(inner):
    model, steps = train(Layerwise(inner, frozen=[0, "intercepts_[2]"], decay_epochs=1.0))
    first = steps[0]
    np.testing.assert_array_equal(model.coefs_[0], first["coefs"][0])
    np.testing.assert_array_equal(model.intercepts_[0], first["intercepts"][0])
    np.testing.assert_array_equal(model.intercepts_[2], first["intercepts"][2])
    assert (model.coefs_[1] != first["coefs"][1]).all()
    assert np.abs(first["gradients"][: 2 * 5]).max() > 0  # of the network, which others see


class Seen(UpdateRule):
    """Keeps the gradients that it sees, and returns an array of its state."""

    def init_state(self, layout):
        return {"seen": [], "velocity": layout.zeros()}

    def compute_update(self, step, state):
        state["seen"].append(step.gradients.copy())
        state["velocity"] -= 0.1 * step.gradients
        return state["velocity"]


def test_the_rule_within_sees_no_gradient_of_what_is_frozen():
    model, steps = train(Layerwise(Seen(), frozen=[1]), n_epochs=2)
    seen = np.array(model._training_state.rule_state["rule"]["seen"])
    frozen = np.zeros(model.layout_.n_params, bool)
    for tensor in model.layout_.tensors:
        frozen[tensor.slice] = tensor.layer == 1
    expected = np.array([np.where(frozen, 0, step["gradients"]) for step in steps])
    np.testing.assert_array_equal(seen, expected)


def test_an_array_of_the_state_within_is_left_alone():
    _, steps = train(Layerwise(Seen(), rates={"coefs_": 0.5, "intercepts_": 0.5}), n_epochs=2)
    total = -0.1 * np.cumsum([step["gradients"] for step in steps], axis=0)
    for step, velocity in zip(steps, total, strict=True):
        np.testing.assert_allclose(step["updates"], velocity / 2, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("within", "advice"),
    [
        (Averaged("adam"), r"write Averaged\(Layerwise\(...\)\)"),
        (ScheduleFree(), r"write ScheduleFree\(Layerwise\(...\)\)"),
        (Clipped(Safeguarded("adam")), r"write Safeguarded\(Layerwise\(...\)\)"),
    ],
    ids=str,
)
def test_what_follows_updates_has_to_stand_around_it(within, advice):
    with pytest.raises(TypeError, match=advice):
        train(Layerwise(within))


@pytest.mark.parametrize(
    "rule",
    [
        Averaged(Layerwise(Adam(0.05), {0: 0.5})),
        ScheduleFree(Layerwise(Adam(0.05), {0: 0.5})),
        Safeguarded(Layerwise(Adam(0.05), {0: 0.5}), SGD(0.1)),
        Layerwise(Layerwise(Adam(0.05), {0: 0.5}, frozen=[1]), decay_epochs=50.0),
    ],
    ids=str,
)
def test_wrappers_around_it_train(rule):
    _, steps = train(rule, n_epochs=40)
    assert steps[-1]["loss"] < 0.5 * steps[0]["loss"]


def test_other_rates_go_on_with_the_state():
    X, y = classes("multiclass", seed=2)
    model, _ = train(Layerwise("adam"), warm_start=True)
    model.set_params(update_rule__rates={0: 0.0}).fit(X, y)
    assert model._training_state.rule_state["rule"]["t"] == 2 * 5 * 4


def test_extras_are_selected_by_their_names():
    extras = ("scales_", 0, (2,)), ("mixes_[0]", 0, (3,)), ("mixes_[1]", 1, (4,))
    layout = ParameterLayout((2, 3, 4, 1), extras=extras)
    step = make_step(layout, np.full(layout.n_params, -1.0), np.zeros(layout.n_params))
    rule = Layerwise(SGD(1.0), rates={"scales_": 6.0, "mixes_": 0.5, "mixes_[1]": 3.0, 0: 2.0})
    changes = layout.extras_of(rule.compute_update(step, rule.init_state(layout)))
    expected = {"scales_": [12, 12], "mixes_[0]": [1, 1, 1], "mixes_[1]": [1.5, 1.5, 1.5, 1.5]}
    for name, values in expected.items():
        np.testing.assert_array_equal(changes[name], values)
    with pytest.raises(ValueError, match=r"'scale_'.*scales_, mixes_\[0\], mixes_\[1\]"):
        Layerwise(rates={"scale_": 2.0}).init_state(layout)


@pytest.mark.parametrize(
    "rule",
    [AdamW(0.1), Lion(0.1, weight_decay=0.1), Muon(0.1, decay_epochs=9)],
    ids=["adamw", "lion", "muon"],
)
def test_decay_spares_extras(rule):
    layout = ParameterLayout((2, 3, 1), extras=(("scales_", 0, (2,)),))
    step = make_step(layout, np.zeros(layout.n_params), np.ones(layout.n_params))
    changes = rule.compute_update(step, rule.init_state(layout))
    assert (changes[: layout.n_weights] < 0).all()
    assert not changes[layout.n_weights :].any()
