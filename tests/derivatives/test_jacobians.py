import numpy as np
import pytest
from helpers.derivatives import KINDS, by_each, make_case

from sklearn_metabp.derivatives import checks, jacobian, multiplications, parameter_jacobian
from sklearn_metabp.derivatives.jacobians import cheaper_mode

SHAPES = [(3, 2), (3, 1), (1, 1), (4, 5, 1), (2, 5, 4, 6), (1, 3, 3), (7, 1, 1, 2), (30, 20, 10, 3)]
MODES = ("forward", "reverse")


def outputs_by_inputs(case):
    """Central differences of row i by the inputs of row i."""
    rows = [by_each(lambda x: case.outputs(X=x[None])[0], row) for row in case.X]
    return np.array(rows, dtype=float)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_jacobian_is_that_of_differences(kind):
    case = make_case((4, 5, 4, 3), *kind)
    expected = outputs_by_inputs(case)
    for mode in MODES:
        actual = jacobian(case.model(), case.arrays()[0], mode=mode)
        np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("layer_sizes", SHAPES, ids=str)
@pytest.mark.parametrize("out_activation", ["identity", "softmax"])
def test_both_modes_agree_and_auto_is_one_of_them(layer_sizes, out_activation):
    case = make_case(layer_sizes, "gelu", "squared_error", out_activation)
    model, X = case.model(), case.arrays()[0]
    forward, reverse = (jacobian(model, X, mode=mode) for mode in MODES)
    assert forward.shape == reverse.shape == (len(X), layer_sizes[-1], layer_sizes[0])
    np.testing.assert_allclose(forward, reverse, rtol=0, atol=1e-12 * max(1, np.abs(forward).max()))
    np.testing.assert_allclose(forward, outputs_by_inputs(case), rtol=1e-7, atol=1e-9)
    cheaper = {"forward": forward, "reverse": reverse}[cheaper_mode(layer_sizes)]
    np.testing.assert_array_equal(jacobian(model, X), cheaper)


def test_one_activation_per_layer():
    case = make_case((3, 5, 4, 2), ("silu", "elu"), "squared_error", "tanh")
    for mode in MODES:
        actual = jacobian(case.model(), case.arrays()[0], mode=mode)
        np.testing.assert_allclose(actual, outputs_by_inputs(case), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("widths", [(1, 1, 1, 1), (2, 2), (1, 3), (4,), None])
def test_groups_of_softmax_are_independent(widths):
    case = make_case((3, 4, 4), "tanh", "log_loss", "softmax", widths)
    actual = jacobian(case.model(), case.arrays()[0])
    start = 0
    for width in widths or (4,):
        np.testing.assert_allclose(actual[:, start : start + width].sum(axis=1), 0, atol=1e-15)
        start += width
    np.testing.assert_allclose(actual, outputs_by_inputs(case), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_parameter_jacobian_is_that_of_differences(kind):
    case = make_case((3, 4, 4, 3), *kind)
    actual = parameter_jacobian(case.model(), case.arrays()[0])
    expected = by_each(case.outputs, case.params).astype(float)
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("layer_sizes", SHAPES, ids=str)
def test_parameter_jacobian_of_every_shape(layer_sizes):
    case = make_case(layer_sizes, "softplus", "squared_error", "tanh", n=3)
    actual = parameter_jacobian(case.model(), case.arrays()[0])
    expected = by_each(case.outputs, case.params).astype(float)
    assert actual.shape == (3, layer_sizes[-1], len(case.params))
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-9)


def test_blocks_of_rows_do_not_show(monkeypatch):
    case = make_case((3, 8, 2), "tanh", "squared_error", "softmax", n=11)
    model, X = case.model(), case.arrays()[0]
    functions = [lambda mode=mode: jacobian(model, X, mode) for mode in MODES]
    functions.append(lambda: parameter_jacobian(model, X))
    whole = [function() for function in functions]
    for n_values in (1, 50, 100):
        monkeypatch.setattr(checks, "_BLOCK_VALUES", n_values)
        for function, expected in zip(functions, whole, strict=True):
            np.testing.assert_allclose(function(), expected, rtol=1e-14, atol=1e-16)


def test_the_count_is_that_of_the_products():
    at_units = 8
    assert multiplications((7, 3)) == {"reverse": 3 * 7 * at_units, "forward": 7 * 3 * at_units}
    counts = multiplications((100, 30, 20, 4))
    assert counts["reverse"] == 4 * (100 * 30 + 30 * 20 + at_units * (30 + 20 + 20))
    assert counts["forward"] == 100 * (30 * 20 + 20 * 4 + at_units * (30 + 20 + 4))


@pytest.mark.parametrize(
    ("layer_sizes", "mode"),
    [
        ((64, 50, 50, 1), "reverse"),
        ((1, 50, 50, 64), "forward"),
        ((64, 128, 16, 64), "forward"),
        ((64, 16, 128, 64), "reverse"),
        ((3, 2), "reverse"),
        ((2, 3), "forward"),
    ],
)
def test_auto_takes_the_cheaper(layer_sizes, mode):
    assert cheaper_mode(layer_sizes) == mode
    case = make_case(layer_sizes, "tanh", "squared_error", "identity", n=2)
    model, X = case.model(), case.arrays()[0]
    np.testing.assert_array_equal(jacobian(model, X), jacobian(model, X, mode))


@pytest.mark.parametrize("mode", ["backward", None, 1])
def test_an_unknown_mode_is_refused(mode):
    case = make_case((2, 1), "tanh", "squared_error", "identity")
    with pytest.raises(ValueError, match=r"mode must be 'auto', 'forward' or 'reverse'"):
        jacobian(case.model(), case.arrays()[0], mode=mode)
