"""Backpropagation through time: equations, central differences, torch, and the two kernels."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.kernels import compiled_only
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_metabp._kernels import recurrent as installed
from sklearn_metabp._kernels.functions import ACTIVATIONS, output_rules
from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.recurrent import Packing, lengths_of
from sklearn_metabp._kernels.recurrent import recurrent_fallback as fallback
from sklearn_metabp._kernels.recurrent.cells import CELLS
from sklearn_metabp._kernels.recurrent.recurrent_fallback import tensor_shapes

BOTH = pytest.mark.parametrize(
    "kernels",
    [fallback, pytest.param(installed, marks=compiled_only)],
    ids=["fallback", "compiled"],
)
# Cell and activation function; output activation and loss.
CELLS_AND_FUNCTIONS = [
    ("elman", "tanh"),
    ("elman", "identity"),
    ("elman", "logistic"),
    ("elman", "softplus"),
    ("elman", "elu"),
    ("elman", "gelu"),
    ("elman", "silu"),
    ("gru", "tanh"),
]
OUTPUTS = [
    ("identity", "squared_error"),
    ("tanh", "squared_error"),
    ("softmax", "squared_error"),
    ("identity", "huber"),
    ("logistic", "log_loss"),
    ("softmax", "log_loss"),
    ("exp", "poisson"),
]


class Case:
    """A kernel with rows of different lengths, its parameters and its gradients."""

    def __init__(
        self,
        kernels,
        cell,
        function,
        outputs,
        seed,
        *,
        n=5,
        n_timesteps=6,
        sizes=(3, 4, 2),
        every_step=False,
        bptt_steps=None,
        equal=False,
        weighted=True,
        alpha=0.1,
        dropout=0.0,
        dtype=np.float64,
        max_batch=None,
        order=None,
    ):
        rng = np.random.default_rng(seed)
        self.cell, self.function, self.outputs, self.sizes = cell, function, outputs, sizes
        self.every_step, self.bptt_steps, self.alpha = every_step, bptt_steps, alpha
        shapes = tensor_shapes(sizes, CELLS[cell])
        scale = 1 / np.sqrt(sizes[1])
        self.params = rng.normal(0, scale, sum(a * b for a, b in shapes)).astype(dtype)
        self.gradients = np.full_like(self.params, np.nan)
        self.X = rng.normal(size=(n, n_timesteps, sizes[0])).astype(dtype)
        if not equal:
            for sequence in self.X:
                sequence[rng.integers(1, n_timesteps + 1) :] = np.nan
        self.lengths = lengths_of(self.X)
        shape = (n, n_timesteps, sizes[2]) if every_step else (n, sizes[2])
        self.targets = rng.random(shape).astype(dtype)
        if every_step:
            self.targets[np.isnan(self.X[:, :, 0])] = np.nan
        self.weight = rng.uniform(0.5, 2, n).astype(dtype) if weighted else None
        self.kernel = kernels.RecurrentBackprop(
            sizes,
            cell,
            function,
            *outputs,
            self.params,
            self.gradients,
            max_batch=max_batch or n,
            every_step=every_step,
            bptt_steps=bptt_steps,
            alpha=alpha,
            dropout=dropout,
            dropout_key=7 if dropout else None,
        )
        self.kernel.load(self.X, self.targets, self.weight, order)

    def loss_by_sequences(self, params, frozen):
        """The loss, one sequence after another; ``frozen`` are states that begin the windows."""
        total, weights = 0.0, np.ones(len(self.X)) if self.weight is None else self.weight
        for i, length in enumerate(self.lengths):
            states = states_of(self, params, self.X[i, :length], frozen.get(i, {}))
            if not self.every_step:
                states = states[-1:]
            targets = self.targets[i, :length] if self.every_step else self.targets[i : i + 1]
            total += weights[i] * np.mean(self.output_losses(params, states, targets))
        n_weights = sum(a * b for a, b in tensor_shapes(self.sizes, CELLS[self.cell])[:3])
        penalty = 0.5 * self.alpha * np.sum(params[:n_weights] ** 2)
        return (total + penalty) / weights.sum()

    def output_losses(self, params, states, targets):
        *_, V, _, _, bias = views(params, self.sizes, self.cell)[1:]
        net_inputs = states @ V + bias[0]
        activation = ACTIVATIONS[self.outputs[0]].function(net_inputs)
        losses, _ = output_rules(
            self.outputs[1], self.outputs[0], net_inputs, activation, targets, self.sizes[2:]
        )
        return losses

    def frozen_states(self):
        """The states before the windows of every sequence, by sequence and time step."""
        found = {}
        if self.bptt_steps is not None:
            for i, length in enumerate(self.lengths):
                states = states_of(self, self.params, self.X[i, :length], {})
                starts = range(length - self.bptt_steps, 0, -self.bptt_steps)
                found[i] = {t: states[t - 1] for t in starts}
        return found


def views(params, sizes, cell):
    found, start = [], 0
    for rows, columns in tensor_shapes(sizes, CELLS[cell]):
        found.append(params[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return found


def states_of(case, params, x, frozen):
    """The states of one sequence, by the equations of the docstring, gate by gate."""
    W, R, _, theta, phi, _ = views(params, case.sizes, case.cell)
    n, state, states = case.sizes[1], np.zeros(case.sizes[1]), []

    def gate(k, of_states=1.0):
        at = slice(k * n, (k + 1) * n)
        recurrent = state @ R[:, at] + (phi[0, at] if phi.size else 0)
        return x[t] @ W[:, at] + theta[0, at] + of_states * recurrent

    for t in range(len(x)):
        state = frozen.get(t, state)
        if case.cell == "elman":
            state = ACTIVATIONS[case.function].function(gate(0))
        else:
            reset, keep = 1 / (1 + np.exp(-gate(0))), 1 / (1 + np.exp(-gate(1)))
            state = (1 - keep) * np.tanh(gate(2, reset)) + keep * state
        states.append(state)
    return np.array(states)


def central_differences(function, params, step=1e-5):
    found = np.empty_like(params)
    for i in range(len(params)):
        moved = params.copy()
        moved[i] = params[i] + step
        above = function(moved)
        moved[i] = params[i] - step
        found[i] = (above - function(moved)) / (2 * step)
    return found


def assert_relative(found, expected, tolerance):
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@BOTH
@pytest.mark.parametrize("every_step", [False, True], ids=["last", "every"])
@pytest.mark.parametrize(("cell", "function"), CELLS_AND_FUNCTIONS)
def test_gradients_of_cells_are_central_differences(kernels, cell, function, every_step):
    case = Case(kernels, cell, function, OUTPUTS[0], 3, every_step=every_step)
    loss = case.kernel.gradients(0, 5)
    assert loss == pytest.approx(case.loss_by_sequences(case.params, {}), rel=1e-12)
    expected = central_differences(lambda p: case.loss_by_sequences(p, {}), case.params)
    assert_relative(case.gradients, expected, 1e-6)


@BOTH
@pytest.mark.parametrize("every_step", [False, True], ids=["last", "every"])
@pytest.mark.parametrize("outputs", OUTPUTS, ids="-".join)
def test_gradients_of_losses_are_central_differences(kernels, outputs, every_step):
    if outputs == ("softmax", "squared_error") and every_step:
        outputs = ("softmax", "log_loss")
    case = Case(kernels, "elman", "tanh", outputs, 5, every_step=every_step)
    case.kernel.gradients(0, 5)
    expected = central_differences(lambda p: case.loss_by_sequences(p, {}), case.params)
    assert_relative(case.gradients, expected, 1e-6)


@BOTH
@pytest.mark.parametrize("every_step", [False, True], ids=["last", "every"])
@pytest.mark.parametrize("bptt_steps", [1, 2, 5, 6, 9])
@pytest.mark.parametrize("cell", CELLS)
def test_truncated_gradients_take_the_states_before_a_window_as_given(
    kernels, cell, bptt_steps, every_step
):
    case = Case(kernels, cell, "tanh", OUTPUTS[0], 11, every_step=every_step, bptt_steps=bptt_steps)
    case.kernel.gradients(0, 5)
    frozen = case.frozen_states()
    assert_relative(
        case.gradients,
        central_differences(lambda p: case.loss_by_sequences(p, frozen), case.params),
        1e-6,
    )


@pytest.mark.parametrize("kernels", [fallback, pytest.param(installed, marks=compiled_only)])
@pytest.mark.parametrize("cell", CELLS)
def test_dropped_states_have_the_gradient_of_the_loss_with_them_dropped(kernels, cell):
    case = Case(kernels, cell, "tanh", OUTPUTS[0], 2, dropout=0.4, every_step=True)

    def loss_at(params):
        kept = case.params.copy()
        case.params[...], case.kernel.n_steps = params, 3
        loss = case.kernel.gradients(0, 5)
        case.params[...] = kept
        return loss

    expected = central_differences(loss_at, case.params)
    loss = loss_at(case.params)
    assert loss != pytest.approx(case.loss_by_sequences(case.params, {}), rel=1e-3)
    assert_relative(case.gradients, expected, 1e-6)
    assert case.kernel.summed_loss(0, 5) > 0


def torch_gradients(case, torch):
    """Loss and gradients of the case, by automatic differentiation."""
    params = torch.tensor(case.params, requires_grad=True)
    W, R, V, theta, phi, bias = views(params, case.sizes, case.cell)
    kind = torch.nn.RNN if case.cell == "elman" else torch.nn.GRU
    net = kind(*case.sizes[:2], batch_first=True, dtype=torch.float64)
    zeros = torch.zeros_like(theta[0])
    own = {
        "weight_ih_l0": W.T,
        "weight_hh_l0": R.T,
        "bias_ih_l0": theta[0],
        "bias_hh_l0": phi[0] if phi.numel() else zeros,
    }
    total, weights = 0.0, torch.tensor(case.weight)
    for i, length in enumerate(case.lengths):
        x = torch.tensor(case.X[i : i + 1, :length])
        window = case.bptt_steps or int(length)
        first = int(length) % window
        cuts = ([first] if first else []) + [window] * (int(length) // window)
        state, states = torch.zeros(1, 1, case.sizes[1], dtype=torch.float64), []
        for part in torch.split(x, cuts, dim=1):
            out, state = torch.func.functional_call(net, own, (part, state.detach()))
            states.append(out)
        outputs = torch.cat(states, dim=1)[0] @ V + bias[0]
        targets = torch.tensor(case.targets[i, :length] if case.every_step else case.targets[i])
        outputs = outputs if case.every_step else outputs[-1]
        losses = 0.5 * ((outputs - targets) ** 2).sum(dim=-1)
        total = total + weights[i] * losses.mean()
    penalty = 0.5 * case.alpha * sum((part**2).sum() for part in (W, R, V))
    loss = (total + penalty) / weights.sum()
    loss.backward()
    return loss.item(), params.grad.numpy()


@BOTH
@pytest.mark.parametrize("bptt_steps", [None, 1, 3])
@pytest.mark.parametrize("every_step", [False, True], ids=["last", "every"])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_torch(kernels, cell, every_step, bptt_steps):
    torch = pytest.importorskip("torch")
    case = Case(
        kernels,
        cell,
        "tanh",
        OUTPUTS[0],
        17,
        n=9,
        n_timesteps=12,
        sizes=(3, 7, 2),
        every_step=every_step,
        bptt_steps=bptt_steps,
    )
    loss = case.kernel.gradients(0, 9)
    expected_loss, expected = torch_gradients(case, torch)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    assert_relative(case.gradients, expected, 1e-9)


@BOTH
@pytest.mark.parametrize("cell", CELLS)
def test_recorded_patterns_make_the_gradients(kernels, cell):
    case = Case(kernels, cell, "tanh", OUTPUTS[0], 4, alpha=0.0, every_step=True)
    kernel = case.kernel
    kernel.gradients(0, 5)
    n_inputs, n_states, _ = case.sizes
    received, states, outputs = kernel.activations
    of_cell, of_outputs = kernel.deltas
    width = CELLS[cell].n_gates * n_states
    of_inputs, of_states = of_cell[:, :width], of_cell[:, -width:]
    made = [
        -received[:, :n_inputs].T @ of_inputs,
        -received[:, n_inputs:].T @ of_states,
        -states.T @ of_outputs,
        -of_inputs.sum(axis=0),
        *([-of_states.sum(axis=0)] if cell == "gru" else []),
        -of_outputs.sum(axis=0),
    ]
    made = np.concatenate([one.ravel() for one in made]) / case.weight.sum()
    assert_allclose(made, case.gradients, rtol=1e-10, atol=1e-14)
    assert len(received) == kernel.n_patterns == case.lengths.sum() == len(outputs)
    assert kernel.slopes[0].shape == of_cell.shape


@BOTH
def test_patterns_without_output_have_none(kernels):
    case = Case(kernels, "elman", "tanh", OUTPUTS[0], 6)
    case.kernel.gradients(0, 5)
    last = Packing.of(case.lengths).last
    others = np.setdiff1d(np.arange(case.lengths.sum()), last)
    outputs, targets, deltas = (
        case.kernel.activations[-1],
        case.kernel.targets,
        case.kernel.deltas[-1],
    )
    assert_array_equal(targets[last], case.targets)
    assert np.isnan(outputs[others]).all()
    assert np.isnan(targets[others]).all()
    assert not deltas[others].any()
    assert_allclose(deltas[last], (targets - outputs)[last] * case.weight[:, None])


def test_a_batch_is_packed_in_the_order_of_time():
    packing = Packing.of(np.array([2, 3, 1, 3]))
    assert_array_equal(packing.order, [1, 3, 0, 2])
    assert_array_equal(packing.starts, [0, 4, 7, 9])
    assert_array_equal(packing.rows, [1, 3, 0, 2, 1, 3, 0, 1, 3])
    assert_array_equal(packing.times, [0, 0, 0, 0, 1, 1, 1, 2, 2])
    assert_array_equal(packing.last, [6, 7, 3, 8])


@BOTH
def test_an_elman_cell_by_hand(kernels):
    params, gradients = np.array([1.0, 0.5, 2.0, 0.0, 0.1]), np.zeros(5)
    kernel = kernels.RecurrentBackprop(
        (1, 1, 1), "elman", "identity", "identity", "squared_error", params, gradients, max_batch=1
    )
    kernel.load(np.array([[[1.0], [2.0], [np.nan]]]), np.array([[4.0]]))
    # s = 1, then 2 + 0.5; y = 5.1, so delta is -1.1, -2.2 for the states and -1.1 one step before
    assert kernel.gradients(0, 1) == pytest.approx(0.5 * 1.1**2)
    assert_allclose(gradients, [1.1 + 2.2 * 2, 2.2, 1.1 * 2.5, 3.3, 1.1])


@BOTH
def test_a_gru_by_hand(kernels):
    # reset, keep, new state: weights of the input 0, 0, 1; of the state 0, 0, 2; biases 0.
    params = np.zeros(3 + 3 + 1 + 3 + 3 + 1)
    params[2], params[5], params[6] = 1.0, 2.0, 1.0
    kernel = kernels.RecurrentBackprop(
        (1, 1, 1), "gru", "tanh", "identity", "squared_error", params, None, max_batch=1
    )
    kernel.load(np.array([[[0.5], [0.25]]]))
    kernel.forward(0, 1)
    first = 0.5 * np.tanh(0.5)
    second = 0.5 * np.tanh(0.25 + 0.5 * 2 * first) + 0.5 * first
    assert_allclose(kernel.outputs, [[second]], rtol=1e-14)


@compiled_only
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("cell", CELLS)
def test_compiled_kernel_computes_what_the_fallback_does(cell, dtype, tolerance):
    choices = itertools.product([None, 1, 4], [False, True], [False, True], [4, 19], [3, 7])
    for seed, (bptt_steps, every_step, equal, n_states, max_batch) in enumerate(choices):
        function = "silu" if cell == "elman" and seed % 2 else "tanh"
        options = {
            "n": 7,
            "sizes": (3, n_states, 2),
            "bptt_steps": bptt_steps,
            "every_step": every_step,
            "equal": equal,
            "max_batch": max_batch,
            "dtype": dtype,
            "dropout": 0.25 * (seed % 3 == 0),
            "weighted": seed % 2 == 0,
        }
        order = np.random.default_rng(seed).permutation(7)
        cases = [
            Case(kernels, cell, function, OUTPUTS[0], seed, order=order, **options)
            for kernels in (installed, fallback)
        ]
        for start in range(0, 7 - max_batch + 1, max_batch):
            ours, theirs = (case.kernel.gradients(start, start + max_batch) for case in cases)
            assert ours == pytest.approx(theirs, rel=tolerance)
            assert_relative(cases[0].gradients, cases[1].gradients, tolerance)
            first, second = (case.kernel.patterns() for case in cases)
            for found, expected in [
                *zip(first.activations(), second.activations(), strict=True),
                *zip(first.deltas(), second.deltas(), strict=True),
                (first.derivatives(), second.derivatives()),
                (first.all_targets(), second.all_targets()),
            ]:
                assert_allclose(found, expected, rtol=0, atol=20 * tolerance)
        for case in cases:
            case.kernel.forward(1, 3)
        assert_allclose(cases[0].kernel.outputs, cases[1].kernel.outputs, atol=20 * tolerance)
        losses = [case.kernel.summed_loss(0, 2) for case in cases]
        assert losses[0] == pytest.approx(losses[1], rel=10 * tolerance)


@BOTH
def test_targets_of_classes_need_no_matrix(kernels):
    labels = np.array([0, 2, 1, 2, 2])
    found = []
    for targets in (SparseTargets.one_hot(labels, 3, np.float64), np.eye(3)[labels]):
        case = Case(kernels, "elman", "tanh", ("softmax", "log_loss"), 1, sizes=(3, 4, 3))
        case.kernel.load(case.X, targets, case.weight)
        found.append((case.kernel.gradients(0, 5), case.gradients, case.kernel.targets))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-13)
    assert_allclose(found[0][1], found[1][1], rtol=1e-11, atol=1e-15)
    assert_array_equal(found[0][2], found[1][2])


def test_codes_of_cells_are_those_of_the_header():
    text = (Path(installed.__file__).parent / "cell_loops.h").read_text()
    names = re.search(r"enum \{ (ELMAN.*?) \};", text).group(1).lower().split(", ")
    assert names == [cell.name for cell in sorted(CELLS.values(), key=lambda cell: cell.code)]


@BOTH
def test_what_does_not_fit_is_refused(kernels):
    case = Case(kernels, "elman", "tanh", OUTPUTS[0], 0)
    kernel, X = case.kernel, case.X
    with pytest.raises(ValueError, match="a rule that sends errors back"):
        kernel.gradients(0, 5, lambda layer: None)
    with pytest.raises(IndexError, match="batch 0:6 of 5 rows"):
        kernel.gradients(0, 6)
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_timesteps, 3\)"):
        kernel.load(X[:, :, :2].copy())
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_timesteps, 3\)"):
        kernel.load(X[:, 0].copy())
    with pytest.raises(ValueError, match="not padding"):
        kernel.load(np.full_like(X, np.nan))
    with pytest.raises(ValueError, match="targets"):
        kernel.load(X, case.targets[:, :1].copy())
    kernel.load(X)
    with pytest.raises(ValueError, match="targets"):
        kernel.gradients(0, 5)
    make = kernels.RecurrentBackprop
    arguments = ((3, 4, 2), "elman", "tanh", "identity", "squared_error", case.params, None)
    for changed, message in [
        ({1: "lstm"}, "cell must be one of"),
        ({0: (3, 4)}, "three layers"),
        ({5: case.params[1:].copy()}, "params must hold"),
        ({1: "gru", 2: "relu", 5: np.zeros(3 * 12 + 4 * 12 + 8 + 24 + 2)}, "has the activation"),
    ]:
        wrong = [changed.get(k, value) for k, value in enumerate(arguments)]
        with pytest.raises(ValueError, match=message):
            make(*wrong, max_batch=1)
    with pytest.raises(ValueError, match="bptt_steps must be 1 or more"):
        make(*arguments, max_batch=1, bptt_steps=0)
