"""The kernel of the layer scope in NumPy, written as the equations read."""

import numpy as np

from sklearn_metabp._kernels.arrays import are_readable, are_writable, readable
from sklearn_metabp._kernels.scopes.layer_steps import (
    LAYER_CONTROLS,
    LAYER_INPUTS,
    LayerStart,
    LayerTask,
    layer_inputs,
    layer_memory,
    layer_moments,
    layer_move,
)
from sklearn_metabp._kernels.scopes.small_mlp import SmallMLP

__all__ = ["LayerRule"]


class LayerRule:
    """The updates of one training by a controller of each tensor; see ``layer_steps``.

    Parameters
    ----------
    gradients, params, updates : ndarray of shape (n_params,)
        Read, read and written.
    memory : dict of ndarray
        As ``layer_memory`` makes it; written.
    task : LayerTask
    start : LayerStart
    codes : ndarray of int64 of shape (n_inputs,)
        Inputs of the controller, as positions in ``LAYER_INPUTS``.
    controls : ndarray of int64 of shape (n_outputs,)
        The controls that the outputs set, as positions in ``LAYER_CONTROLS``.
    mlp_params : ndarray of float64
        In either precision of the other arrays.
    mlp_sizes, hidden, output, centre
        As in ``LinkRule``.
    dropout : ndarray of float64 of shape (n_hidden_layers,), default=None
        Where to write the shares to drop in the next step; None for a rule that does not set them.
    """

    def __init__(
        self,
        gradients: np.ndarray,
        params: np.ndarray,
        updates: np.ndarray,
        memory: dict[str, np.ndarray],
        task: LayerTask,
        start: LayerStart,
        codes: np.ndarray,
        controls: np.ndarray,
        mlp_params: np.ndarray,
        mlp_sizes: np.ndarray,
        hidden: str,
        output: str,
        centre: np.ndarray | None = None,
        dropout: np.ndarray | None = None,
    ) -> None:
        check_layers(gradients, params, updates, memory, task, dropout)
        self._codes, self._controls = check_codes(codes, controls)
        self._mlp = SmallMLP(
            len(codes),
            np.dtype(np.float64),
            mlp_params,
            mlp_sizes,
            hidden,
            output,
            centre,
            n_outputs=len(controls),
        )
        self._gradients, self._params, self._updates = gradients, params, updates
        self._memory, self._task, self._start, self._dropout = memory, task, start, dropout

    @np.errstate(all="ignore")
    def update(self, t: int, is_first: bool, epoch: int, loss: float, n_patterns: int) -> None:
        """Advance the memory by the step of number t of the rule, from 1; write the updates."""
        params, memory, task = self._params, self._memory, self._task
        g = layer_moments(self._gradients, memory)
        inputs = layer_inputs(g, params, memory, task, self._codes, t, epoch, loss, n_patterns)
        outputs = np.zeros((len(inputs), len(LAYER_CONTROLS)))
        outputs[:, self._controls] = self._mlp.predict(inputs).reshape(len(inputs), -1)
        layer_move(g, params, self._updates, memory, task, self._start, outputs, t, is_first)
        if self._dropout is not None:
            self._dropout[...] = memory["dropout"]


def check_layers(
    gradients: np.ndarray,
    params: np.ndarray,
    updates: np.ndarray,
    memory: dict[str, np.ndarray],
    task: LayerTask,
    dropout: np.ndarray | None,
) -> None:
    """Raise ValueError unless the arrays fit together."""
    dtype, bounds = params.dtype, task.bounds
    n_params, n_tensors = len(params), len(bounds) - 1
    wanted = layer_memory(n_params, n_tensors, dtype, n_hidden=task.hidden_before.max() + 1)
    fits = (
        are_readable([gradients, params], dtype)
        and are_writable([updates], dtype)
        and gradients.shape == params.shape == updates.shape == (n_params,)
        and memory.keys() >= wanted.keys()
        and all(
            memory[name].shape == array.shape and are_writable([memory[name]], array.dtype)
            for name, array in wanted.items()
        )
        and bounds[0] == 0
        and bounds[-1] == n_params
        and (np.diff(bounds) > 0).all()
        and len(task.fixed) == n_tensors
        and (dropout is None or dropout.shape == wanted["dropout"].shape)
        and (dropout is None or are_writable([dropout], wanted["dropout"].dtype))
    )
    if not fits:
        raise ValueError(
            "gradients, params, updates, memory, dropout and tensors do not fit together"
        )


def check_codes(codes: np.ndarray, controls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and outputs as int64; raise ValueError if there are no such."""
    for names, numbers in ((LAYER_INPUTS, codes), (LAYER_CONTROLS, controls)):
        if not len(numbers) or not all(0 <= number < len(names) for number in numbers):
            raise ValueError(f"codes must be positions among {list(names)}, got {list(numbers)}")
    return readable(codes, np.int64), readable(controls, np.int64)
