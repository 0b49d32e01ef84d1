"""Keras: one ``Model.fit`` over batches in the given orders, with JAX or PyTorch behind it.

The compilation of its step does not count in steady state, where the first fit of a side is left
out. The environment variable ``KERAS_BACKEND`` chooses what is behind it; the default is JAX where
that is installed.
"""

import os
from importlib.util import find_spec

os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import keras
import numpy as np


def prepare(work):
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    workload, dtype = work.workload, np.dtype(work.dtype).name
    keras.config.set_floatx(dtype)
    sizes = workload.layer_sizes
    penalty = keras.regularizers.L2(work.alpha / (2 * workload.batch_size))
    layers = [
        keras.layers.Dense(
            size,
            activation="relu" if number < len(sizes) - 2 else None,
            kernel_regularizer=penalty,
            dtype=dtype,
        )
        for number, size in enumerate(sizes[1:])
    ]
    model = keras.Sequential([keras.Input(sizes[:1], dtype=dtype), *layers])
    y = work.y
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if work.is_binary:
        y = y.astype(work.dtype)[:, None]
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    model.compile(optimizer, loss)
    optimizer.build(model.trainable_variables)
    fresh = [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]
    start = [array for layer in work.start for array in layer]

    def batches():
        for rows in work.batches:
            yield work.X[rows], y[rows]

    def fit():
        model.set_weights(start)
        for variable, value in zip(optimizer.variables, fresh, strict=True):
            variable.assign(value)
        model.fit(batches(), steps_per_epoch=len(work.batches), epochs=1, shuffle=False, verbose=0)
        trained = model.get_weights()
        return list(zip(trained[::2], trained[1::2], strict=True))

    return fit
