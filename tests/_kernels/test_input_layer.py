"""The input layer: scales and embeddings in front of the first layer of neurons."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.loops import at, compile_loops, vector_units
from scipy.sparse import csr_array

from sklearn_metabp._kernels.network import (
    input_layer,
    instruction_set,
    instruction_sets,
    use_instruction_set,
)
from sklearn_metabp._kernels.network.input_layer import EMBEDDINGS, Embedding, InputLayer

N_INPUTS, COLUMNS = 5, (0, 2, 3)
EDGES = (-1.0, -0.3, 0.2, 1.5), (-0.5, 0.5), (-1.2, 0.0, 0.1, 0.3, 0.9)
PERIODIC = Embedding("periodic", COLUMNS, 6, 4, 0.7)
PIECEWISE = Embedding("piecewise_linear", COLUMNS, 4, 3, edges=EDGES)
LAYERS = {
    "scales": InputLayer(N_INPUTS, True),
    "periodic": InputLayer(N_INPUTS, False, PERIODIC),
    "scaled periodic": InputLayer(N_INPUTS, True, PERIODIC),
    "bins": InputLayer(N_INPUTS, False, PIECEWISE),
    "scaled bins": InputLayer(N_INPUTS, True, PIECEWISE),
}
by_layer = pytest.mark.parametrize("name", LAYERS)


class Case:
    """A network 5-7-2 behind an input layer, with rows and weights of the rows."""

    def __init__(self, layer, *, n=70, seed=0, dtype=np.float64):
        rng = np.random.RandomState(seed)
        self.layer, self.n = layer, n
        n_dense = (layer.width + 1) * 7 + 8 * 2
        start = layer.start(rng)
        if layer.has_scales:
            start["input_scales_"] = rng.normal(1, 0.5, N_INPUTS)
        extras = [values.ravel() for values in start.values()]
        self.params = np.concatenate([rng.normal(0, 0.5, n_dense), *extras]).astype(dtype)
        self.gradients = np.full_like(self.params, np.nan)
        self.X = rng.normal(size=(n, N_INPUTS)).astype(dtype)
        self.targets = rng.normal(size=(n, 2)).astype(dtype)
        self.weight = rng.uniform(0.2, 2, n).astype(dtype)

    def backprop(self, kernels, params=None, max_batch=None, **options):
        params = self.params if params is None else params
        kernel = kernels.Backprop(
            (N_INPUTS, 7, 2),
            ("tanh",),
            "identity",
            "squared_error",
            params,
            self.gradients,
            max_batch=max_batch or self.n,
            alpha=0.3,
            input_layer=self.layer,
            **options,
        )
        kernel.load(self.X, self.targets, self.weight)
        return kernel

    @property
    def extras(self):
        return self.layer.views(self.params[-self.layer.n_params :])


def embedded_by_definition(case):
    """Return the embedded rows, number by number, from the equations."""
    layer, extras, rows = case.layer, case.extras, []
    scales = extras.get("input_scales_", np.ones(N_INPUTS))
    for row in case.X * scales:
        numbers = []
        for column, x in enumerate(row):
            if layer.embedding is None or column not in COLUMNS:
                numbers.append(x)
                continue
            place = COLUMNS.index(column)
            coefs = extras["embedding_coefs_"][place]
            if layer.embedding is PERIODIC:
                w = extras["embedding_frequencies_"][place]
                b = extras["embedding_phases_"][place]
                z = [np.cos(2 * np.pi * (w[f] * x + b[f])) for f in range(6)]
            else:
                ends = EDGES[place]
                z = np.zeros(4)
                for t in range(len(ends) - 1):
                    part = (x - ends[t]) / (ends[t + 1] - ends[t])
                    if t > 0:
                        part = max(part, 0)
                    if t < len(ends) - 2:
                        part = min(part, 1)
                    z[t] = part
            numbers += list(extras["embedding_intercepts_"][place] + z @ coefs)
            if layer.embedding is PERIODIC:
                numbers.append(x)
        rows.append(numbers)
    return np.array(rows)


@by_layer
def test_the_first_layer_receives_what_the_equations_say(kernels, name):
    case = Case(LAYERS[name], seed=3)
    kernel = case.backprop(kernels)
    kernel.forward(0, case.n)
    expected = embedded_by_definition(case)
    assert case.layer.width == expected.shape[1]
    np.testing.assert_allclose(kernel.received[: case.n], expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(kernel.activations[0][: case.n], case.X)
    embedded = case.layer.embed(case.X, case.params[-case.layer.n_params :])
    np.testing.assert_allclose(embedded, expected, rtol=0, atol=1e-13)


@by_layer
def test_gradients_are_central_differences(kernels, name):
    case = Case(LAYERS[name], n=9, seed=1)
    case.backprop(kernels).gradients(0, 9)
    found, step = case.gradients.copy(), 1e-6
    for k in range(len(case.params)):
        losses = []
        for sign in (1, -1):
            params = case.params.copy()
            params[k] += sign * step
            losses.append(case.backprop(kernels, params).gradients(0, 9))
        np.testing.assert_allclose(
            found[k], (losses[0] - losses[1]) / (2 * step), rtol=1e-6, atol=2e-8
        )


@compiled_only
@by_layer
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize("n", [1, 63, 200])
def test_compiled_core_agrees_with_the_fallback(name, dtype, tolerance, n):
    case = Case(LAYERS[name], n=n, seed=2, dtype=dtype)
    found = []
    for kernels in (installed, fallback):
        kernel = case.backprop(kernels)
        loss = kernel.gradients(0, n)
        found.append((loss, case.gradients.copy(), kernel.received[:n].copy()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@compiled_only
@by_layer
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bits_do_not_depend_on_threads(name, dtype):
    case = Case(LAYERS[name], n=4096, dtype=dtype)
    found = []
    for n_threads in (1, 3):
        loss = case.backprop(installed, n_threads=n_threads).gradients(0, case.n)
        found.append((loss, case.gradients.copy()))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


@compiled_only
def test_bits_do_not_depend_on_the_products(name="scaled periodic"):
    case, before, found = Case(LAYERS[name], n=100, dtype=np.float32), instruction_set(), []
    try:
        for one in instruction_sets():
            use_instruction_set(one)
            kernel = case.backprop(installed)
            kernel.gradients(0, 100)
            found.append(kernel.received.copy())
    finally:
        use_instruction_set(before)
    for received in found[1:]:
        np.testing.assert_array_equal(received, found[0])


@pytest.mark.parametrize(
    ("dtype", "error"), [(np.float32, 2.5e-7), (np.float64, 5e-16)], ids=["32", "64"]
)
def test_waves_are_cosines(kernels, dtype, error):
    # one frequency of 1 and one sum that is the wave
    layer = InputLayer(1, False, Embedding("periodic", (0,), 1, 2, 1.0))
    params = np.concatenate([[0, 0], [0], [1, 0, 1, 0]]).astype(dtype)
    kernel = kernels.Backprop(
        (1, 1), (), "identity", "squared_error", params, None, max_batch=3000, input_layer=layer
    )
    turns = np.linspace(-3, 3, 2996)
    X = np.concatenate([turns, [0.25, 1e30, -1e30, 12345678]]).astype(dtype)[:, None]
    kernel.load(X)
    kernel.forward(0, 3000)
    exact = np.cos(2 * np.pi * (X[:, 0].astype(np.longdouble) % 1))
    np.testing.assert_allclose(kernel.received[:-4, 0], exact[:-4], rtol=0, atol=error)
    np.testing.assert_allclose(kernel.received[-4:, 0], [0, 1, 1, 1], rtol=0, atol=error)
    X[0] = np.nan
    kernel.load(X)
    kernel.forward(0, 1)
    assert np.isnan(kernel.received[0, 0])


def test_codes_are_those_of_the_header():
    path = Path(input_layer.__file__).with_name("input_layer_loops.h")
    (names,) = re.findall(r"enum \{ (PERIODIC.*?) \};", path.read_text())
    codes = {name.lower(): code for code, name in enumerate(names.split(", "))}
    assert codes == {kind.name: kind.code for kind in EMBEDDINGS.values()}


def test_starts_are_those_of_the_source():
    layer = InputLayer(40, True, Embedding("periodic", tuple(range(40)), 25, 4, 0.1))
    start = layer.start(np.random.RandomState(0))
    assert list(start) == list(layer.shapes)
    assert (start["input_scales_"] == 1).all()
    assert abs(start["embedding_frequencies_"].std() - 0.1) < 0.01
    phases = start["embedding_phases_"]
    assert -0.5 < phases.min() < -0.49
    assert 0.49 < phases.max() < 0.5
    for name in ("embedding_coefs_", "embedding_intercepts_"):
        assert 0.19 < np.abs(start[name]).max() < 0.2
    assert layer.width == 160
    assert layer.n_params == 40 * (1 + 2 * 25 + 25 * 3 + 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Embedding("wave", (0,), 1, 2), "kind must be"),
        (lambda: Embedding("periodic", (), 1, 2), "columns must be rising"),
        (lambda: Embedding("periodic", (1, 0), 1, 2), "columns must be rising"),
        (lambda: Embedding("periodic", (0,), 0, 2), "a function and a sum"),
        (lambda: Embedding("periodic", (0,), 1, 1), "a function and a sum"),
        (lambda: Embedding("piecewise_linear", (0,), 1, 1), "needs the edges"),
        (lambda: Embedding("piecewise_linear", (0, 1), 1, 1, edges=((0, 1),)), "of 2 columns"),
        (lambda: Embedding("piecewise_linear", (0,), 1, 1, edges=((1, 0),)), "rising numbers"),
        (lambda: Embedding("piecewise_linear", (0,), 1, 1, edges=((0, 1, 2),)), "from 2 to 2"),
        (lambda: InputLayer(3), "scales or an embedding"),
        (lambda: InputLayer(3, True, PERIODIC), "below 3"),
    ],
    ids=range(11),
)
def test_impossible_input_layers_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_kernel_refuses_what_it_cannot_embed(kernels):
    case = Case(LAYERS["scaled periodic"])
    kernel = case.backprop(kernels)
    with pytest.raises(ValueError, match="dense X"):
        kernel.load(csr_array(case.X), case.targets)
    with pytest.raises(ValueError, match="input gradients"):
        case.backprop(kernels, input_gradient_penalty=0.1)
    with pytest.raises(ValueError, match="params must hold"):
        case.backprop(kernels, case.params[:-1])
    case.layer = InputLayer(4, True)
    with pytest.raises(ValueError, match="5 columns"):
        case.backprop(kernels)


PROGRAM = """
void run(int is_double, int kind, const void *x, const void *deltas, const void *numbers,
         int64_t n, void *out, void *gradients, void *scratch)
{
    const int64_t item = is_double ? 8 : 4;
    const char *given = numbers;
    char *found = gradients;
    InputColumn column = {kind, 1, 0, 0, 3, 2, given, found};
    for (int k = 0; k < 4; k++) column.basis[k] = given + (1 + 3 * k) * item;
    if (kind == PERIODIC)
        for (int k = 0; k < 2; k++) column.basis_gradients[k] = found + (1 + 3 * k) * item;
    column.coefs = given + 13 * item, column.coef_gradients = found + 7 * item;
    column.intercepts = given + 19 * item, column.intercept_gradients = found + 13 * item;
    embed_column(is_double, &column, out, 3, x, 1, n, scratch);
    column_gradients(is_double, &column, deltas, 3, x, 1, n, -0.125, scratch);
}
"""


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["64", "32"])
def test_bits_do_not_depend_on_the_vector_units(tmp_path, dtype):
    rng, found = np.random.RandomState(4), {}
    n = 131
    x, deltas = rng.normal(size=(n, 1)).astype(dtype), rng.normal(size=(n, 3)).astype(dtype)
    numbers = rng.normal(size=21).astype(dtype)
    numbers[7:10], numbers[10:13] = -0.5, 0.5
    for name, flags in vector_units().items():
        (tmp_path / name).mkdir()
        loops = compile_loops(tmp_path / name, PROGRAM, *flags, header="input_layer_loops.h")
        made = [np.zeros((2, n, 3), dtype), np.zeros((2, 15), dtype)]
        scratch = np.zeros(8192, dtype)
        for kind in (0, 1):
            loops.run(
                int(dtype == np.float64),
                kind,
                *map(at, (x, deltas, numbers)),
                ctypes.c_int64(n),
                *map(at, (made[0][kind], made[1][kind], scratch)),
            )
        found[name] = made
    assert np.isfinite(found["baseline"][1]).all()
    assert found["baseline"][1][0].all()
    for made in found.values():
        for one, other in zip(made, found["baseline"], strict=True):
            np.testing.assert_array_equal(one, other)
