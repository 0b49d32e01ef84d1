"""A forward pass that is kept from call to call."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklearn_metabp._kernels.arrays import are_readable
from sklearn_metabp._kernels.network import Backprop

MakeKernel = Callable[[np.ndarray, np.ndarray | None, int], Backprop]

# Largest number of values in the buffers of a pass that is kept: one or a few rows. For more rows
# the time to make the pass does not count.
_KEPT_NUMBERS = 1 << 13


def is_small_pass(layer_sizes: Sequence[int], n_rows: int) -> bool:
    """Return whether the buffers of a pass are so small that it is kept."""
    return n_rows * sum(layer_sizes) <= _KEPT_NUMBERS


class ForwardPass:
    """A forward pass through one vector of parameters, up to ``max_batch`` rows at a time.

    Values written into the vector are used by the next call. No row is kept after a call.

    Parameters
    ----------
    make_kernel : callable
        ``make_kernel(params, gradients, max_batch) -> Backprop``.
    params : ndarray of shape (n_params,)
    max_batch : int
    """

    def __init__(self, make_kernel: MakeKernel, params: np.ndarray, max_batch: int) -> None:
        self._kernel: Backprop = make_kernel(params, None, max_batch)
        self.params, self.max_batch = params, max_batch
        sizes = self._kernel.layer_sizes
        self.is_small = is_small_pass(sizes, max_batch)
        self._rows = np.zeros((max_batch if self.is_small else 0, sizes[0]), params.dtype)
        self._kernel.load(self._rows)

    def serves(self, params: np.ndarray, n_rows: int) -> bool:
        """Return whether the pass is for this vector and for so many rows at a time."""
        return self.params is params and n_rows <= self.max_batch

    def fill(self, outputs: np.ndarray, X: Any, layer: int = -1) -> None:
        """Write the outputs of a layer for every row of X.

        Only a block of rows is copied at a time, where X is dense and the kernel cannot read it.

        Parameters
        ----------
        outputs : ndarray of shape (n_samples, n_outputs)
        X : ndarray or sparse matrix of shape (n_samples, n_features)
        layer : int, default=-1
            Number of the layer, from 0 for the first after the input.
        """
        n, dtype, of_layer = len(outputs), self.params.dtype, self._kernel.layer_outputs[layer]
        if issparse(X):
            self._fill_from(X.tocsr().astype(dtype, copy=False), outputs, of_layer)
        elif X.shape[1:] != self._rows.shape[1:]:
            self._kernel.load(X)  # it raises the error
        elif n <= len(self._rows):
            self._fill_by_copies(X, outputs, of_layer, self._rows)
        elif are_readable([X], dtype):
            self._fill_from(X, outputs, of_layer)
        else:
            buffer = np.empty((self.max_batch, X.shape[1]), dtype)
            self._kernel.load(buffer)
            self._fill_by_copies(X, outputs, of_layer, buffer)
            self._kernel.load(self._rows)

    def _fill_from(self, X: Any, outputs: np.ndarray, of_layer: np.ndarray) -> None:
        """Go forward through rows that the kernel reads where they are."""
        kernel = self._kernel
        kernel.load(X)
        try:
            for start, stop in self._blocks(len(outputs)):
                kernel.forward(start, stop)
                outputs[start:stop] = of_layer[: stop - start]
        finally:
            kernel.load(self._rows)

    def _fill_by_copies(
        self, X: np.ndarray, outputs: np.ndarray, of_layer: np.ndarray, buffer: np.ndarray
    ) -> None:
        """Go forward through rows that are copied into a buffer, which the kernel has loaded."""
        kernel = self._kernel
        for start, stop in self._blocks(len(outputs)):
            buffer[: stop - start] = X[start:stop]
            kernel.forward(0, stop - start)
            outputs[start:stop] = of_layer[: stop - start]

    def _blocks(self, n: int) -> Iterator[tuple[int, int]]:
        return ((start, min(start + self.max_batch, n)) for start in range(0, n, self.max_batch))
