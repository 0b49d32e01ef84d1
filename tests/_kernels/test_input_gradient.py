"""The penalty of the gradients of a pattern's loss by the inputs, and its gradient."""

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed
from helpers.networks import (
    SOME_FUNCTIONS,
    TOLERANCES,
    assert_near,
    central_differences,
    loss_by_definition,
    make_problem,
    split,
)
from scipy.sparse import csr_array

from sklearn_metabp._kernels.network import (
    instruction_set,
    instruction_sets,
    use_instruction_set,
)

NORMS = ["l2", "l1"]


def penalised(*case, norm="l2", beta=0.7, **options):
    return make_problem(*case, input_gradient_penalty=beta, input_gradient_norm=norm, **options)


@pytest.fixture(params=instruction_sets())
def products(request):
    before = instruction_set()
    use_instruction_set(request.param)
    yield
    use_instruction_set(before)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("activation", "loss", "out_activation"), SOME_FUNCTIONS)
def test_gradients_are_central_differences(kernels, activation, loss, out_activation, norm):
    problem = penalised((3, 4, 3, 2), activation, loss, out_activation, n=5, norm=norm)
    backprop = problem.backprop(kernels)
    value = backprop.gradients(0, 5)
    assert_near(value, float(loss_by_definition(problem, problem.params)), 1e-9)
    assert_near(backprop.gradients_, central_differences(problem), 1e-6)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "activation", ["relu", "tanh", "gelu", "silu", "mish", "elu", "selu", "softplus"]
)
def test_neurons_are_dropped_alike_in_every_pass(kernels, activation, norm):
    problem = penalised(
        (2, 5, 4, 2), activation, "huber", "tanh", n=3, norm=norm, dropout=0.4, dropout_key=3
    )
    backprop = problem.backprop(kernels)
    for step in (1, 2):
        value = backprop.gradients(0, 3)
        assert_near(value, float(loss_by_definition(problem, problem.params, step=step)), 1e-9)
        assert_near(backprop.gradients_, central_differences(problem, step=step), 1e-6)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("out_groups", [(3, 2), (1, 4), (2, 1, 2)], ids=str)
def test_gradients_of_groups_are_central_differences(kernels, out_groups, loss):
    problem = penalised((3, 4, 5), "tanh", loss, "softmax", n=4, out_groups=out_groups)
    backprop = problem.backprop(kernels)
    backprop.gradients(0, 4)
    assert_near(backprop.gradients_, central_differences(problem), 1e-6)


def test_a_linear_neuron_by_hand(kernels):
    # J = (t - w.x - b)^2 / 2, so dJ/dx = -e w, and the penalty is beta e^2 |w|^2 / 2: its
    # derivatives are beta (-e |w|^2 x + e^2 w) by w and -beta e |w|^2 by b.
    w, b, x, t, beta = np.array([2.0, -1.0]), 0.5, np.array([[1.0, 3.0]]), 1.5, 0.1
    params, gradients = np.array([*w, b]), np.full(3, np.nan)
    backprop = kernels.Backprop(
        (2, 1), (), "identity", "squared_error", params, gradients, max_batch=1,
        input_gradient_penalty=beta,
    )  # fmt: skip
    backprop.load(x, np.array([[t]]))
    e, square = t - x[0] @ w - b, w @ w  # 2 and 5
    assert backprop.gradients(0, 1) == pytest.approx(e**2 / 2 * (1 + beta * square))
    np.testing.assert_allclose(gradients[:2], -e * x[0] + beta * (-e * square * x[0] + e**2 * w))
    np.testing.assert_allclose(gradients[2], -e - beta * e * square)


def torch_gradients(problem):
    """Return loss and gradients by double backward."""
    torch = pytest.importorskip("torch")
    params = torch.tensor(problem.params.astype(float), requires_grad=True)
    X = torch.tensor(problem.X.astype(float), requires_grad=True)
    t, weight = (torch.tensor(a.astype(float)) for a in (problem.targets, problem.sample_weight))
    functions = {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "gelu": torch.nn.functional.gelu,
        "silu": torch.nn.functional.silu,
        "elu": torch.nn.functional.elu,
        "selu": torch.selu,
        "mish": torch.nn.functional.mish,
        "softplus": torch.nn.functional.softplus,
        "logistic": torch.sigmoid,
        "leaky_relu": torch.nn.functional.leaky_relu,
        "identity": lambda z: z,
    }
    weights, biases = split(params, problem.layer_sizes)
    x = X
    for w, b, name in zip(weights, biases, (*problem.activations, "identity"), strict=True):
        x = functions[name](x @ w + b)
    if problem.out_activation == "softmax":
        losses = -(t * torch.log_softmax(x, dim=1)).sum(dim=1)
    elif problem.loss == "log_loss":
        loss = torch.nn.functional.binary_cross_entropy_with_logits
        losses = loss(x, t, reduction="none").sum(dim=1)
    else:
        losses = ((t - x) ** 2).sum(dim=1) / 2
    (g,) = torch.autograd.grad(losses.sum(), X, create_graph=True)
    norms = g.abs().sum(dim=1)
    if problem.input_gradient_norm == "l2":
        norms = (g**2).sum(dim=1) / 2
    losses = losses + problem.input_gradient_penalty * norms
    penalty = problem.alpha / 2 * sum((w**2).sum() for w in weights)
    total = (losses @ weight + penalty) / weight.sum()
    total.backward()
    return total.item(), params.grad.numpy()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("loss", "out_activation"),
    [("log_loss", "softmax"), ("log_loss", "logistic"), ("squared_error", "identity")],
)
@pytest.mark.parametrize(
    "activation",
    [
        *("relu", "tanh", "gelu", "silu", "mish", "elu", "selu", "softplus", "logistic"),
        "leaky_relu",
    ],
)
def test_gradients_are_those_of_double_backward(kernels, activation, loss, out_activation, norm):
    problem = penalised(
        (64, 100, 30, 10), activation, loss, out_activation, n=41, norm=norm, beta=2.0
    )
    backprop = problem.backprop(kernels)
    value, expected = torch_gradients(problem)
    assert_near(backprop.gradients(0, 41), value, 1e-12)
    assert_near(backprop.gradients_, expected, 1e-9)


def expect_agreement(problem, dtype, tolerance=None, **loading):
    compiled = problem.backprop(installed, dtype, **loading)
    by_fallback = problem.backprop(fallback, dtype, **loading)
    n = compiled.max_batch
    tolerance = tolerance or TOLERANCES[dtype]
    assert_near(compiled.gradients(0, n), by_fallback.gradients(0, n), tolerance, "loss")
    assert_near(compiled.gradients_, by_fallback.gradients_, tolerance, "gradients")
    for ours, theirs in zip(compiled.deltas, by_fallback.deltas, strict=True):
        assert_near(ours, theirs, tolerance, "deltas")


@compiled_only
@pytest.mark.parametrize("dropout_key", [None, 5], ids=["all", "dropout"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("activation", "loss", "out_activation"), SOME_FUNCTIONS)
def test_the_compiled_kernel_agrees_with_the_fallback(
    activation, loss, out_activation, dtype, dropout_key, products
):
    for norm in NORMS:
        problem = penalised(
            (5, 9, 7, 4), activation, loss, out_activation, n=17, norm=norm, dropout=0.3,
            dropout_key=dropout_key,
        )  # fmt: skip
        # A sign of float32 may differ where a gradient of the inputs is close to 0.
        tolerance = 1e-3 if norm == "l1" and dtype is np.float32 else None
        expect_agreement(problem, dtype, tolerance)


@compiled_only
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("sizes", "n"), [((64, 100, 10), 200), ((100, 140, 9), 250), ((3, 2), 9), ((2, 1, 1), 1)]
)
def test_the_compiled_kernel_agrees_on_many_shapes(sizes, n, dtype, products):
    problem = penalised(sizes, "relu", "squared_error", "softmax", n=n)
    expect_agreement(problem, dtype)


@pytest.mark.parametrize("rows_as", [np.asarray, csr_array], ids=["dense", "sparse"])
def test_batches_of_any_rows(kernels, rows_as):
    problem = penalised((6, 5, 3), "tanh", "log_loss", "softmax", n=11, density=0.4)
    order = np.random.default_rng(2).permutation(11)
    backprop = problem.backprop(kernels, order=order, max_batch=4, rows_as=rows_as)
    for start, stop in [(0, 4), (8, 11), (4, 8)]:
        value = backprop.gradients(start, stop)
        rows = order[start:stop]
        assert_near(value, float(loss_by_definition(problem, problem.params, rows)), 1e-9)
        assert_near(backprop.gradients_, central_differences(problem, rows), 1e-6)


def test_a_row_of_weight_2_is_a_row_given_twice(kernels):
    problem = penalised((4, 5, 3), "gelu", "huber", "tanh", n=6, alpha=0.0)
    params, X, targets, _ = problem.arrays(float)

    def gradients(rows, weight):
        found = np.empty_like(params)
        backprop = kernels.Backprop(
            problem.layer_sizes, problem.activations, problem.out_activation, problem.loss, params,
            found, max_batch=len(rows), input_gradient_penalty=2.0,
        )  # fmt: skip
        backprop.load(X[rows], targets[rows], weight)
        return backprop.gradients(0, len(rows)), found

    weighted = gradients(np.arange(6), np.array([2.0, 1, 0, 1, 3, 1]))
    repeated = gradients(np.array([0, 0, 1, 3, 4, 4, 4, 5]), None)
    assert_near(weighted[0], repeated[0], 1e-13)
    assert_near(weighted[1], repeated[1], 1e-13)


def test_deltas_and_summed_losses_have_no_penalty(kernels):
    problem = penalised((4, 6, 3), "silu", "log_loss", "softmax", alpha=0.0)
    plain = make_problem((4, 6, 3), "silu", "log_loss", "softmax", alpha=0.0)
    ours, expected = problem.backprop(kernels), plain.backprop(kernels)
    ours.gradients(0, 9)
    expected.gradients(0, 9)
    for delta, delta_of_plain in zip(ours.deltas, expected.deltas, strict=True):
        np.testing.assert_array_equal(delta, delta_of_plain)
    assert ours.summed_loss(0, 9) == expected.summed_loss(0, 9)


@compiled_only
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_bits_do_not_depend_on_threads_and_products(activation):
    problem = penalised((90, 150, 80, 3), activation, "squared_error", "tanh", n=210)
    found = {}
    before = instruction_set()
    for name in instruction_sets():
        if name == "blas":
            continue
        use_instruction_set(name)
        for n_threads in (1, 2, 3):
            backprop = problem.backprop(installed, n_threads=n_threads)
            value = backprop.gradients(0, 210)
            found[name, n_threads] = value, backprop.gradients_.tobytes()
    use_instruction_set(before)
    assert len(set(found.values())) == min(1, len(found))


def test_deltas_of_another_source_are_refused(kernels):
    backprop = penalised((3, 4, 2), "tanh", "huber", "tanh").backprop(kernels)
    with pytest.raises(ValueError, match="follows rule \\(6\\), and send_back replaces it"):
        backprop.gradients(0, 9, lambda layer: None)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"input_gradient_penalty": -1.0}, "input_gradient_penalty must be a finite number"),
        ({"input_gradient_penalty": np.inf}, "input_gradient_penalty must be a finite number"),
        ({"input_gradient_norm": "l0"}, "input_gradient_norm 'l0': there are"),
    ],
    ids=["negative", "infinite", "norm"],
)
def test_impossible_penalties_are_refused(kernels, bad, message):
    with pytest.raises(ValueError, match=message):
        kernels.Backprop(
            (2, 1), (), "identity", "squared_error", np.zeros(3), np.zeros(3), max_batch=1, **bad
        )
