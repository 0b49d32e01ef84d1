"""The tables of activation functions and losses, and everything that must agree with them."""

import re
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
from helpers.kernels import fallback

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp._kernels import network
from sklearn_metabp._kernels.functions import (
    ACTIVATIONS,
    CLASS_LOSSES,
    CLASS_OUT_ACTIVATIONS,
    HIDDEN_ACTIVATIONS,
    LOSSES,
    NUMBER_LOSSES,
    OUT_ACTIVATIONS,
    Activation,
    Loss,
)
from sklearn_metabp._kernels.functions.activations import LEAK
from sklearn_metabp._kernels.functions.losses import ErrorLoss

HEADER = (Path(network.__file__).parent / "layer_loops.h").read_text(encoding="utf-8")
DOCUMENTED = [
    (BackpropMLPClassifier, "loss", CLASS_LOSSES),
    (BackpropMLPRegressor, "loss", NUMBER_LOSSES),
    (BackpropMLPClassifier, "out_activation", ("auto", *CLASS_OUT_ACTIVATIONS)),
    (BackpropMLPRegressor, "out_activation", ("auto", *OUT_ACTIVATIONS)),
]
INVERTIBLE = [one for one in ACTIVATIONS.values() if one.inverse is not None]
OF_ERROR = [loss for loss in LOSSES.values() if loss.of_error is not None]


def enumerators(text, first):
    """Return names and numbers of the C enum that begins with a name."""
    body = re.search(rf"enum {{\s*({first}\b[^}}]*)}};", text).group(1)
    numbers, following = {}, 0
    for entry in body.split(","):
        name, _, given = (part.strip() for part in entry.partition("="))
        numbers[name] = int(given) if given else following
        following = numbers[name] + 1
    return numbers


@pytest.mark.parametrize(
    ("table", "first"), [(ACTIVATIONS, "IDENTITY"), (LOSSES, "SQUARED_ERROR")], ids=["f", "loss"]
)
def test_the_enum_of_the_loops_has_the_names_and_codes_of_the_table(table, first):
    assert enumerators(HEADER, first) == {name.upper(): one.code for name, one in table.items()}


def test_enumerators_are_read_as_c_counts_them():
    assert enumerators("enum { A, B = 4, C };", "A") == {"A": 0, "B": 4, "C": 5}


def test_leaky_relu_has_one_slope():
    assert float(re.search(r"#define LEAK (\S+)", HEADER).group(1)) == LEAK


@pytest.mark.parametrize("table", [ACTIVATIONS, LOSSES], ids=["activations", "losses"])
def test_names_and_codes_are_unique(table):
    assert [one.name for one in table.values()] == list(table)
    assert sorted(one.code for one in table.values()) == list(range(len(table)))


def parameter_docs(cls, parameter):
    """The text on one parameter in a docstring: the line of its type, and the lines below."""
    return re.search(rf"^    {parameter} : (.*)\n((?:        .*\n)*)", cls.__doc__, re.M).groups()


@pytest.mark.parametrize(("cls", "parameter", "names"), DOCUMENTED, ids=str)
def test_docstrings_list_the_options_of_the_table(cls, parameter, names):
    kind, _ = parameter_docs(cls, parameter)
    options, _, default = kind.partition(", default=")
    assert set(literal_eval(options)) == set(names)
    assert literal_eval(default) in names


@pytest.mark.parametrize("cls", [BackpropMLPClassifier, BackpropMLPRegressor])
def test_docstrings_list_the_hidden_activations_of_the_table(cls):
    _, text = parameter_docs(cls, "activation")
    assert re.findall(r'``"(\w+)"``', text) == list(HIDDEN_ACTIVATIONS)


@pytest.mark.parametrize(
    ("cls", "names"), [(BackpropMLPClassifier, CLASS_LOSSES), (BackpropMLPRegressor, NUMBER_LOSSES)]
)
def test_docstrings_describe_every_loss_as_the_table_does(cls, names):
    _, text = parameter_docs(cls, "loss")
    text = " ".join(text.split())
    for name in names:
        assert f'``"{name}"`` is {LOSSES[name].description}' in text


@pytest.mark.parametrize("table", [ACTIVATIONS, LOSSES], ids=["activations", "losses"])
def test_the_page_on_networks_names_every_record(table):
    page = (Path(__file__).parents[2] / "docs" / "networks.rst").read_text(encoding="utf-8")
    assert [name for name in table if f"``{name}``" not in page] == []


@pytest.mark.parametrize("activation", INVERTIBLE, ids=lambda one: one.name)
def test_inverse_gives_the_net_input_of_an_output(activation):
    outputs = np.array([0.001, 0.25, 0.5, 0.75, 0.999])
    net_inputs = activation.inverse(outputs, 1e-9)
    np.testing.assert_allclose(activation.function(net_inputs), outputs, rtol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda one: one.name)
def test_outputs_fill_their_range_and_stay_in_it(activation):
    net = np.linspace(-700, 700, 1401)
    columns = np.column_stack([net, np.zeros_like(net)]) if activation.sums_to_one else net
    outputs = activation.function(columns)
    low, high = activation.output_range
    assert low <= outputs.min() and outputs.max() <= high
    if np.isfinite(low):
        assert outputs.min() == pytest.approx(low, abs=1e-12)
    if np.isfinite(high):
        assert outputs.max() == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize("loss", OF_ERROR, ids=lambda loss: loss.name)
def test_pull_and_curvature_are_derivatives_by_the_output(loss):
    """Check derivatives of J(t - y) by y; the pull is minus the first, so that by the error."""
    errors, h = np.linspace(-3, 3, 101) + 1e-3, 1e-6  # no kink within a difference's reach
    rule = loss.of_error
    slopes = (rule.value(errors + h) - rule.value(errors - h)) / (2 * h)
    np.testing.assert_allclose(rule.pull(errors), slopes, atol=1e-8)
    curvatures = (rule.pull(errors + h) - rule.pull(errors - h)) / (2 * h)
    np.testing.assert_allclose(rule.curvature(errors), curvatures, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=lambda loss: loss.name)
def test_a_loss_goes_with_every_output_or_with_those_it_is_written_for(loss):
    assert (loss.of_error is None) == bool(loss.of_net_inputs) == bool(loss.needs)
    assert loss.of_net_inputs.keys() <= ACTIVATIONS.keys()
    for out_activation in ("identity", "logistic", "softmax", "exp"):
        if loss.of_error or out_activation in loss.of_net_inputs:
            loss.check_output(out_activation)
        else:
            with pytest.raises(ValueError, match=f"needs {loss.needs}.*got '{out_activation}'"):
                loss.check_output(out_activation)


def test_a_record_is_all_that_a_loss_and_an_activation_need_in_numpy(monkeypatch):
    """log cosh e and sin(in), which the loops do not have: their gradients by differences."""
    log_cosh = ErrorLoss(lambda e: np.log(np.cosh(e)), np.tanh, lambda e: 1 - np.tanh(e) ** 2)
    loss = Loss("log_cosh", 99, "log cosh of the error", of_error=log_cosh)
    sine = Activation("sine", 99, np.sin, np.cos, lambda net: -np.sin(net), None)
    monkeypatch.setitem(LOSSES, "log_cosh", loss)
    monkeypatch.setitem(ACTIVATIONS, "sine", sine)
    rng = np.random.default_rng(0)
    params, gradients = rng.normal(size=17), np.empty(17)
    kernel = fallback.Backprop(
        (2, 3, 2), ("sine",), "identity", "log_cosh", params, gradients, max_batch=5
    )
    kernel.load(rng.normal(size=(5, 2)), rng.normal(size=(5, 2)))
    kernel.gradients(0, 5)
    found, h = gradients.copy(), 1e-6
    for n in range(17):
        before = params[n]
        params[n] = before + h
        above = kernel.gradients(0, 5)
        params[n] = before - h
        assert (above - kernel.gradients(0, 5)) / (2 * h) == pytest.approx(found[n], abs=1e-8)
        params[n] = before


def test_targets_below_the_lowest_one_are_named():
    with pytest.raises(ValueError, match=r"counts and rates: y must not be negative.*is -0\.5"):
        LOSSES["poisson"].check_targets(np.array([[1.0], [-0.5]]))
    LOSSES["poisson"].check_targets(np.zeros((2, 1)))
    LOSSES["huber"].check_targets(np.full((2, 1), -1e9))
