"""JAX: the whole fit is one compiled function, with the orders of the rows as an argument.

The compilation does not count in steady state, where the first fit of a side is left out. Steps of
an epoch and epochs are ``lax.scan``. A smaller last batch is a step of its own shape.
"""

import os

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

BETA_1, BETA_2, EPSILON, LEARNING_RATE = 0.9, 0.999, 1e-8, 1e-3


def prepare(work):
    jax.config.update("jax_enable_x64", True)
    n, size = work.X.shape[0], work.workload.batch_size
    orders = np.concatenate(work.batches).reshape(work.workload.n_epochs, n).astype(np.int32)
    n_full = n // size
    full = orders[:, : n_full * size].reshape(len(orders), n_full, size)
    rest = orders[:, n_full * size :]

    def mean_loss(params, X, y):
        outputs = X
        for number, (coef, intercept) in enumerate(params):
            outputs = (jnp.maximum(outputs, 0) if number else outputs) @ coef + intercept
        penalty = work.alpha / (2 * len(X)) * sum(jnp.sum(coef**2) for coef, _ in params)
        if work.is_binary:
            return jnp.mean(jax.nn.softplus(outputs[:, 0]) - y * outputs[:, 0]) + penalty
        of_class = jnp.take_along_axis(outputs, y[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(outputs, axis=1) - of_class) + penalty

    @jax.jit
    def train(params, X, y, full, rest):
        def step(carry, rows):
            params, mean, square, t = carry
            t = t + 1
            loss, gradients = jax.value_and_grad(mean_loss)(params, X[rows], y[rows])
            mean = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, mean, gradients)
            square = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, square, gradients)
            rate, of_square = LEARNING_RATE / (1 - BETA_1**t), 1 / (1 - BETA_2**t)
            params = jax.tree.map(
                lambda w, m, v: w - rate * m / (jnp.sqrt(v * of_square) + EPSILON),
                params,
                mean,
                square,
            )
            return (params, mean, square, t), loss

        def epoch(carry, orders):
            full, rest = orders
            carry, losses = lax.scan(step, carry, full)
            total = losses.sum() * size
            if rest.size:
                carry, loss = step(carry, rest)
                total += loss * rest.size
            return carry, total / n

        zeros = jax.tree.map(jnp.zeros_like, params)
        start = (params, zeros, zeros, jnp.zeros((), work.dtype))
        (params, *_), losses = lax.scan(epoch, start, (full, rest))
        return params, losses

    y = work.y.astype(work.dtype) if work.is_binary else work.y.astype(np.int32)
    arguments = jax.tree.map(jnp.asarray, (work.start, work.X, y, full, rest))

    def fit():
        params, _ = jax.block_until_ready(train(*arguments))
        return params

    return fit
