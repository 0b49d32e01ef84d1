"""The parametric activation x = (1 - a) in + a f(in): kernel, fallback, differences, PyTorch."""

from itertools import pairwise

import numpy as np
import pytest
from helpers.kernels import fallback, installed
from helpers.networks import ACTIVATIONS, TOLERANCES
from scipy.sparse import csr_array

DTYPES = [np.float64, np.float32]
SIZES = (5, 7, 6, 3)
KEY = 12345


class Case:
    """A network whose hidden layers, or some of them, have factors, and rows to train on."""

    def __init__(self, activations=("tanh", "mish"), sizes=SIZES, mixed=(0, 1), n=23, seed=0):
        rng = np.random.default_rng([seed, n, *sizes])
        self.sizes, self.activations = sizes, activations
        dense = sum((a + 1) * b for a, b in pairwise(sizes))
        widths = [width if k in mixed else 0 for k, width in enumerate(sizes[1:-1])]
        self.mixed, self.n_extras = mixed, sum(widths)
        self.params = 0.6 * rng.standard_normal(dense + self.n_extras)
        self.params[dense:] = rng.uniform(-0.5, 1.5, self.n_extras)
        self.X = rng.standard_normal((n, sizes[0]))
        self.targets = rng.dirichlet(np.ones(sizes[-1]), n)
        self.weight = rng.uniform(0.5, 2, n)

    def kernel(self, kernels, dtype=np.float64, params=None, rows_as=np.asarray, **options):
        params = (self.params if params is None else params).astype(dtype)
        kernel = kernels.Backprop(
            self.sizes,
            self.activations,
            "softmax",
            "log_loss",
            params,
            np.full_like(params, np.nan),
            max_batch=len(self.X),
            alpha=0.3,
            parametric_layers=self.mixed,
            **options,
        )
        kernel.load(
            rows_as(self.X.astype(dtype)), self.targets.astype(dtype), self.weight.astype(dtype)
        )
        return kernel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_kernel_and_fallback_agree(activation, dropout, dtype):
    for mixed in ((0, 1), (1,), (0,)):
        case = Case((activation, "relu"), mixed=mixed)
        options = {"dropout": dropout, "dropout_key": KEY if dropout else None}
        one, other = (case.kernel(kernels, dtype, **options) for kernels in (installed, fallback))
        for start, stop in ((0, 23), (3, 12)):
            losses = [kernel.gradients(start, stop) for kernel in (one, other)]
            assert losses[0] == pytest.approx(losses[1], rel=10 * TOLERANCES[dtype])
            np.testing.assert_allclose(
                one.gradients_, other.gradients_, rtol=0, atol=10 * TOLERANCES[dtype]
            )
            for kernel in (one, other):
                kernel.forward(start, stop)
            for a, b in zip(one.layer_outputs, other.layer_outputs, strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=10 * TOLERANCES[dtype])


@pytest.mark.parametrize("activation", ["tanh", "mish", "selu", "relu", "softplus"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_are_central_differences(kernels, activation, dropout):
    case = Case((activation, activation), seed=3)
    options = {"dropout": dropout, "dropout_key": KEY if dropout else None}
    kernel = case.kernel(kernels, **options)
    kernel.gradients(0, 23)

    def loss_at(params):
        return case.kernel(kernels, params=params, **options).gradients(0, 23)

    for number in range(0, len(case.params), 3):
        shift = np.zeros_like(case.params)
        shift[number] = 1e-6
        rise = (loss_at(case.params + shift) - loss_at(case.params - shift)) / 2e-6
        assert kernel.gradients_[number] == pytest.approx(rise, rel=1e-6, abs=1e-8)


def test_loss_and_gradients_are_those_of_torch(kernels):
    torch = pytest.importorskip("torch")
    case = Case(("selu", "mish"))
    kernel = case.kernel(kernels)
    loss = kernel.gradients(0, 23)
    params = torch.tensor(case.params, requires_grad=True)
    start, flat = 0, []
    for shape in [*pairwise(SIZES), *((width,) for width in (*SIZES[1:], *SIZES[1:-1]))]:
        size = int(np.prod(shape))
        flat.append(params[start : start + size].reshape(shape))
        start += size
    x = torch.tensor(case.X)
    for layer, function in enumerate((torch.selu, torch.nn.functional.mish)):
        z, a = x @ flat[layer] + flat[3 + layer], flat[6 + layer]
        x = (1 - a) * z + a * function(z)
    losses = -(torch.tensor(case.targets) * torch.log_softmax(x @ flat[2] + flat[5], 1)).sum(1)
    weight = torch.tensor(case.weight)
    squares = sum((w**2).sum() for w in flat[:3])
    total = (losses * weight).sum() / weight.sum() + 0.15 * squares / weight.sum()
    total.backward()
    assert loss == pytest.approx(total.item(), rel=1e-12)
    np.testing.assert_allclose(kernel.gradients_, params.grad.numpy(), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_factors_of_1_give_the_bits_of_the_plain_function_and_0_none(kernels, activation, dtype):
    case = Case((activation, activation))
    dense = len(case.params) - case.n_extras
    for factor, function in ((1, activation), (0, "identity")):
        params = np.concatenate([case.params[:dense], np.full(case.n_extras, factor)])
        mixed = case.kernel(kernels, dtype, params)
        plain_case = Case((function, function), mixed=())
        plain_case.X, plain_case.targets, plain_case.weight = case.X, case.targets, case.weight
        plain = plain_case.kernel(kernels, dtype, case.params[:dense])
        assert mixed.summed_loss(0, 23) == plain.summed_loss(0, 23)
        assert mixed.gradients(0, 23) == plain.gradients(0, 23)
        if factor == 0 or kernels is not fallback:  # the fallback has another form of f'
            np.testing.assert_array_equal(mixed.gradients_[:dense], plain.gradients_)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_the_number_of_threads(dtype):
    case = Case(("relu", "mish"), sizes=(64, 128, 96, 5), n=256)
    options = {"dropout": 0.2, "dropout_key": KEY}
    one, other = (case.kernel(installed, dtype, n_threads=n, **options) for n in (1, 3))
    assert one.gradients(0, 256) == other.gradients(0, 256)
    np.testing.assert_array_equal(one.gradients_, other.gradients_)


def test_sparse_rows_are_the_dense_ones(kernels):
    case = Case()
    dense, sparse = case.kernel(kernels), case.kernel(kernels, rows_as=csr_array)
    assert dense.gradients(0, 23) == pytest.approx(sparse.gradients(0, 23), rel=1e-12)
    np.testing.assert_allclose(sparse.gradients_, dense.gradients_, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("layers", [(2,), (-1,), (1, 0), (0, 0)], ids=str)
def test_layers_that_are_not_hidden_ones_in_their_order_are_an_error(kernels, layers):
    case = Case()
    case.mixed = layers
    with pytest.raises(ValueError, match="numbers of the 2 hidden layers, from 0 and in"):
        case.kernel(kernels)


def test_what_replaces_rule_6_is_an_error(kernels):
    case = Case()
    with pytest.raises(ValueError, match="the gradient of a parametric activation"):
        case.kernel(kernels).gradients(0, 23, lambda layer: None)
    with pytest.raises(ValueError, match="has no gradient for a parametric activation"):
        case.kernel(kernels, input_gradient_penalty=0.1)
