"""The inputs, the memory and the controls of a controller of layers, as NumPy equations."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sklearn_metabp._kernels.flat import COLUMNS, LAYER, ROWS

__all__ = [
    "LARGEST_DROPOUT",
    "LAYER_CONTROLS",
    "LAYER_INPUTS",
    "LayerStart",
    "LayerTask",
    "layer_inputs",
    "layer_memory",
    "layer_moments",
    "layer_move",
    "layer_settings",
    "layer_terms",
    "note_validation",
]

# Inputs that change from step to step and are the same for all tensors, then those that differ
# between tensors or trainings and do not change, then statistics of a tensor.
LAYER_INPUTS = (
    "progress",
    "remaining",
    "early",
    "last_tenth",
    "log_planned",
    "warmup_10",
    "warmup_100",
    "log_epochs",
    "log_batch",
    "log_loss",
    "log_loss/first",
    "log_loss_fast/slow",
    "has_validation",
    "log_validation/loss",
    "log_validation/best",
    "validations_since_best",
    "log_fan_in",
    "log_fan_out",
    "is_bias",
    "is_last",
    "is_first",
    "depth",
    "is_classification",
    "is_saturating",
    "log_rows",
    "log_params/rows",
    "log_rms/first",
    "log_signal_0.9",
    "log_signal_0.99",
    "cosine_0.9",
    "cosine_0.5_0.99",
    "log_squares_fast/slow",
    "log_net_inputs",
)
N_CHANGING, N_FIXED = 16, 10
# The values that a controller sets for every tensor.
LAYER_CONTROLS = (
    "step",
    "gradient",
    "momentum_0.5",
    "momentum_0.9",
    "momentum_0.99",
    "fast_squares",
    "decay",
    "horizon",
    "gain",
    "dropout",
)
STEP, GRADIENT, FAST_SQUARES, DECAY, HORIZON, GAIN, DROPOUT = 0, 1, 5, 6, 7, 8, 9

MOMENTUM_DECAYS = np.array([0.5, 0.9, 0.99])
SQUARE_DECAYS = np.array([0.999, 0.95])
LOSS_DECAYS = np.array([0.9, 0.99])
COSINE_DECAY = 0.9
EPSILON = 1e-8
# No step of a parameter is larger than that many times the rate of its tensor.
LARGEST_QUOTIENT = 8.0
LARGEST_INPUT = 3.0
# Exponents of 2 are twice these at most.
LARGEST_STEP, LARGEST_HORIZON_CHANGE, LARGEST_GAIN = 4.0, 4.0, 1.5
LARGEST_DECAY, LARGEST_HORIZON, LARGEST_DROPOUT = 10.0, 1e4, 0.6
# A gradient that is larger, or no number, counts as none: its square has to be finite.
LARGEST_GRADIENT = {np.dtype(np.float32): 1e18, np.dtype(np.float64): 1e150}
# A validation loss that is no number counts as the largest.
LARGEST_LOSS = float(np.finfo(np.float64).max)
# Far below any loss that matters, so that logarithms are finite.
TINY = 1e-12
# Columns of what is remembered of a tensor.
MASS, COSINE, FIRST_RMS = range(3)
# What is remembered of the validations of a training.
N_VALIDATIONS, LAST_VALIDATION, BEST_VALIDATION, SINCE_BEST = range(4)


@dataclass(frozen=True)
class LayerTask:
    """The properties of a training that no step changes.

    Attributes
    ----------
    bounds : ndarray of int64 of shape (n_tensors + 1,)
        Starts of the tensors in the flat vector, and the end of the last one.
    fixed : ndarray of shape (n_tensors, N_FIXED)
        Values of the inputs that do not change.
    n_planned : int
        Number of planned steps.
    """

    bounds: np.ndarray
    fixed: np.ndarray
    n_planned: int

    @classmethod
    def of(
        cls,
        tensors: np.ndarray,
        *,
        is_classification: bool,
        is_saturating: bool,
        n_rows: int,
        n_planned: int,
    ) -> "LayerTask":
        """Compute the fixed inputs of every weight matrix, then of every bias vector.

        Parameters
        ----------
        tensors : ndarray of int64 of shape (n_tensors, n_columns)
            The columns are ``TENSOR_COLUMNS``.
        is_classification, is_saturating : bool
            Properties of the outputs and of the hidden neurons.
        n_rows, n_planned : int
            Numbers of patterns to train on and of planned steps.
        """
        sizes, last = tensors[:, ROWS] * tensors[:, COLUMNS], tensors[:, LAYER].max()
        n_params = int(sizes.sum())
        fixed = [
            (
                np.log2(fan_in) / 4,
                np.log2(fan_out) / 4,
                is_bias,
                layer == last,
                layer == 0,
                layer / max(last, 1),
                is_classification,
                is_saturating,
                np.log2(n_rows / 256) / 2,
                np.log2(n_params / n_rows) / 2,
            )
            for _, fan_out, layer, is_bias, _, _, fan_in in tensors.tolist()
        ]
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(bounds, np.array(fixed, dtype=np.float64), n_planned)

    @property
    def is_bias(self) -> np.ndarray:
        """Mask of the tensors that are bias vectors."""
        return self.fixed[:, LAYER_INPUTS.index("is_bias") - N_CHANGING] > 0

    @property
    def hidden_before(self) -> np.ndarray:
        """Number of the hidden layer before each weight matrix; -1 for none, and for biases."""
        is_first = self.fixed[:, LAYER_INPUTS.index("is_first") - N_CHANGING] > 0
        is_after = ~self.is_bias & ~is_first
        return np.where(is_after, np.cumsum(is_after) - 1, -1).astype(np.int64)

    @property
    def fan_in(self) -> np.ndarray:
        """Number of inputs of the layer of each tensor."""
        return 2 ** (4 * self.fixed[:, 0])


@dataclass(frozen=True)
class LayerStart:
    """The rule made by hand from which a controller starts: its outputs are zero.

    Attributes
    ----------
    learning_rate : float
    weight_decay : float
        Decoupled, of weight matrices.
    horizon : float
        Number of steps over which the weights are averaged; 1 for no average.
    cautious : bool
        If True, a weight decays only in steps that shrink it anyway.
    dropout : float
        Share of neurons that is dropped in every hidden layer, at most ``LARGEST_DROPOUT``.
    """

    learning_rate: float
    weight_decay: float = 0.0
    horizon: float = 1.0
    cautious: bool = False
    dropout: float = 0.0


def layer_memory(
    n_params: int,
    n_tensors: int,
    dtype: DTypeLike,
    dropout: float = 0.0,
    n_hidden: int | None = None,
) -> dict[str, np.ndarray]:
    """Return what is remembered before the first step: zeros, and the dropout of the start.

    Parameters
    ----------
    n_params, n_tensors : int
    dtype : dtype
    dropout : float, default=0.0
    n_hidden : int, default=None
        Number of hidden layers; None for a feedforward network, whose tensors say it.

    Returns
    -------
    memory : dict of ndarray
        ``moments`` (3, n_params) and ``squares`` (2, n_params), running means of decays 0.5, 0.9,
        0.99 and of 0.999, 0.95; ``average`` (n_params,); ``tensors`` (n_tensors, 3), float64: mass
        of the average, running cosine, root mean square of the first weights; ``losses`` (3,),
        float64: the first, and running means of decays 0.9 and 0.99; ``validation`` (4,), float64:
        the number of validations, the last and the lowest validation loss, and the number of
        validations since the lowest; ``dropout`` (n_hidden_layers,), float64: the shares to drop in
        the next step.
    """
    return {
        "moments": np.zeros((3, n_params), dtype),
        "squares": np.zeros((2, n_params), dtype),
        "average": np.zeros(n_params, dtype),
        "tensors": np.zeros((n_tensors, 3)),
        "losses": np.zeros(3),
        "validation": np.zeros(4),
        "dropout": np.full(
            n_tensors // 2 - 1 if n_hidden is None else n_hidden, dropout, np.float64
        ),
    }


def note_validation(memory: dict[str, np.ndarray], loss: float) -> None:
    """Remember the loss of a validation, for the inputs of the next steps."""
    validation = memory["validation"]
    last = np.nan_to_num(loss, nan=LARGEST_LOSS, posinf=LARGEST_LOSS)
    is_best = not validation[N_VALIDATIONS] or last < validation[BEST_VALIDATION]
    validation[N_VALIDATIONS] += 1
    validation[LAST_VALIDATION] = last
    validation[BEST_VALIDATION] = last if is_best else validation[BEST_VALIDATION]
    validation[SINCE_BEST] = 0 if is_best else validation[SINCE_BEST] + 1


def bounded(values: Any, largest: float) -> np.ndarray:
    """Return the values within ± ``largest``; 0 for NaN."""
    return np.where(np.isnan(values), 0, np.clip(values, -largest, largest))


@np.errstate(all="ignore")
def layer_moments(gradients: np.ndarray, memory: dict[str, np.ndarray]) -> np.ndarray:
    """Advance the running means by the gradients; return them, 0 where they are none."""
    dtype = memory["average"].dtype
    g = np.where(np.abs(gradients) <= LARGEST_GRADIENT[dtype], gradients, 0).astype(dtype)
    for name, decays, values in (
        ("moments", MOMENTUM_DECAYS, g),
        ("squares", SQUARE_DECAYS, g**2),
    ):
        keep, add = decays.astype(dtype)[:, None], (1 - decays).astype(dtype)[:, None]
        memory[name][...] = keep * memory[name] + add * values
    return g


@np.errstate(all="ignore")
def layer_inputs(
    gradients: np.ndarray,
    params: np.ndarray,
    memory: dict[str, np.ndarray],
    task: LayerTask,
    codes: np.ndarray,
    t: int,
    epoch: int,
    loss: float,
    n_patterns: int,
) -> np.ndarray:
    """Return the inputs of every tensor at step t of the rule, after ``layer_moments``.

    Advances the running losses, and cosines and first root mean squares where an input needs them.

    Parameters
    ----------
    gradients : ndarray of shape (n_params,)
        The gradients that ``layer_moments`` returned.
    params : ndarray of shape (n_params,)
    memory : dict of ndarray
    task : LayerTask
    codes : ndarray of int64
        Inputs, as positions in ``LAYER_INPUTS``.
    t : int
        From 1.
    epoch : int
        From 0.
    loss : float
    n_patterns : int

    Returns
    -------
    inputs : ndarray of float64 of shape (n_tensors, n_inputs)
    """
    losses = memory["losses"]
    if t == 1:
        losses[0] = loss
    losses[1:] = LOSS_DECAYS * losses[1:] + (1 - LOSS_DECAYS) * loss
    fast, slow = losses[1:] / (1 - LOSS_DECAYS**t)
    p = t / task.n_planned
    changing = [
        p,
        np.log2(1 / (1.01 - min(p, 1.0))),
        np.tanh(8 * p),
        min(max(10 * p - 9, 0.0), 1.0),
        np.log2(task.n_planned / 300) / 2,
        np.tanh(t / 10),
        np.tanh(t / 100),
        np.log2(1 + epoch) / 3,
        np.log2(n_patterns / 32) / 2,
        np.log2(fast + TINY) / 4,
        np.log2((fast + TINY) / (losses[0] + TINY)) / 2,
        np.log2((fast + TINY) / (slow + TINY)),
        *_validation_inputs(memory["validation"], fast),
    ]
    known = np.hstack([np.tile(changing, (len(task.fixed), 1)), task.fixed])
    if (codes >= N_CHANGING + N_FIXED).any():
        known = np.hstack([known, _statistics(gradients, params, memory, task, t)])
    return bounded(known[:, codes], LARGEST_INPUT)


def _validation_inputs(validation: np.ndarray, loss: float) -> tuple[float, ...]:
    """Return the inputs that a validation gives, by the running loss; 0 before the first one."""
    if not validation[N_VALIDATIONS]:
        return 0.0, 0.0, 0.0, 0.0
    last, best = validation[LAST_VALIDATION] + TINY, validation[BEST_VALIDATION] + TINY
    return (
        1.0,
        np.log2(last / (loss + TINY)) / 2,
        np.log2(last / best) / 2,
        np.log2(1 + validation[SINCE_BEST]) / 3,
    )


def _statistics(
    gradients: np.ndarray,
    params: np.ndarray,
    memory: dict[str, np.ndarray],
    task: LayerTask,
    t: int,
) -> np.ndarray:
    found = []
    tensors = memory["tensors"]
    mean_mass, square_mass = 1 - MOMENTUM_DECAYS**t, 1 - SQUARE_DECAYS**t
    for k, (start, stop) in enumerate(pairwise(task.bounds)):
        g, w = gradients[start:stop].astype(float), params[start:stop].astype(float)
        m_5, m_9, m_99 = memory["moments"][:, start:stop].astype(float) / mean_mass[:, None]
        slow, fast = memory["squares"][:, start:stop].sum(axis=1, dtype=float) / square_mass
        rms = np.sqrt(np.mean(w**2))
        if t == 1:
            tensors[k, FIRST_RMS] = rms
        cosine = _cosine(g, m_9)
        tensors[k, COSINE] = COSINE_DECAY * tensors[k, COSINE] + (1 - COSINE_DECAY) * cosine
        found.append(
            (
                _log_quotient(rms, tensors[k, FIRST_RMS]),
                _log_quotient(m_9 @ m_9, slow) / 4,
                _log_quotient(m_99 @ m_99, slow) / 4,
                tensors[k, COSINE] / (1 - COSINE_DECAY**t),
                _cosine(m_5, m_99),
                _log_quotient(fast, slow) / 2,
                _log_quotient(np.sqrt(task.fan_in[k]) * rms, 1.0) / 2,
            )
        )
    return np.array(found)


def _log_quotient(above: float, below: float) -> float:
    """Return log2 of a quotient; 0 where there is none."""
    return float(np.log2(above / below)) if above > 0 and below > 0 else 0.0


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else 0.0


@np.errstate(all="ignore")
def layer_terms(gradients: np.ndarray, memory: dict[str, np.ndarray], t: int) -> np.ndarray:
    """Return m_d / (sqrt(v) + epsilon) of gradient and momenta, (4, n_params), in float64."""
    means = memory["moments"].astype(float) / (1 - MOMENTUM_DECAYS**t)[:, None]
    root = np.sqrt(memory["squares"][0].astype(float) / (1 - SQUARE_DECAYS[0] ** t))
    return np.vstack([gradients, means]) / (root + EPSILON)


@np.errstate(all="ignore")
def layer_move(
    gradients: np.ndarray,
    params: np.ndarray,
    updates: np.ndarray,
    memory: dict[str, np.ndarray],
    task: LayerTask,
    start: LayerStart,
    outputs: np.ndarray,
    t: int,
    is_first: bool,
) -> None:
    r"""Write the updates that the controls make, move the average, and set the dropout.

    With bias-corrected running means and the controls of a tensor,

        v = q v_fast + (1 - q) v_slow
        u = sum_d a_d m_d / (sqrt(v) + epsilon), within ±8
        Delta w = -r u - s w + (gain - 1) w
        average = beta average + (1 - beta) (w + Delta w), divided by its mass
        share of the layer's input that is dropped = start + z / 2, within 0 and 0.6

    where s w is there only if it makes the step longer, for a cautious start, and the gain only in
    the first step of a training.

    Parameters
    ----------
    gradients : ndarray of shape (n_params,)
        The gradients that ``layer_moments`` returned.
    params, updates : ndarray of shape (n_params,)
        Read, and written.
    memory : dict of ndarray
    task : LayerTask
    start : LayerStart
    outputs : ndarray of shape (n_tensors, len(LAYER_CONTROLS))
        Outputs of the controller; 0 is the start.
    t : int
        Step of the rule, from 1.
    is_first : bool
        True in the first step of the training.
    """
    dtype = params.dtype.type
    mean_mass, square_mass = 1 - MOMENTUM_DECAYS**t, 1 - SQUARE_DECAYS**t
    settings = layer_settings(outputs, start)
    memory["dropout"][...] = settings[task.hidden_before >= 0, DROPOUT]
    for k, (first, stop) in enumerate(pairwise(task.bounds)):
        here = slice(first, stop)
        g, w = gradients[here], params[here]
        values = settings[k]
        rate = values[STEP]
        mix = values[GRADIENT:FAST_SQUARES].copy()
        mix[1:] /= mean_mass
        q = values[FAST_SQUARES]
        by_slow, by_fast = np.array([1 - q, q]) / square_mass
        share = 0.0 if task.is_bias[k] else min(rate * values[DECAY], 1.0)
        growth = values[GAIN] - 1 if is_first else 0.0
        beta = 1 - 1 / values[HORIZON]

        m_5, m_9, m_99 = memory["moments"][:, here]
        slow, fast = memory["squares"][:, here]
        a = mix.astype(dtype)
        root = np.sqrt(dtype(by_slow) * slow + dtype(by_fast) * fast)
        quotient = (a[0] * g + a[1] * m_5 + a[2] * m_9 + a[3] * m_99) / (root + dtype(EPSILON))
        step = dtype(-rate) * bounded(quotient, LARGEST_QUOTIENT).astype(dtype)
        shrink = dtype(share) * w
        if start.cautious:
            shrink = np.where(step * w < 0, shrink, 0)
        updates[here] = step - shrink + dtype(growth) * w

        mass = memory["tensors"][k, MASS] = beta * memory["tensors"][k, MASS] + 1 - beta
        take = (1 - beta) / mass
        average = memory["average"]
        average[here] = dtype(1 - take) * average[here] + dtype(take) * (w + updates[here])


@np.errstate(all="ignore")
def layer_settings(outputs: np.ndarray, start: LayerStart) -> np.ndarray:
    r"""Return the values that outputs of a controller set, each in its own unit.

    They are the learning rate, the mix, of absolute sum 1, the share of the fast squares, the decay
    per unit of the learning rate, the horizon in steps, the factor of the initial weights, and the
    share to drop of the hidden layer before the tensor.

    Parameters
    ----------
    outputs : ndarray of shape (n, len(LAYER_CONTROLS))
        0 is the start.
    start : LayerStart

    Returns
    -------
    settings : ndarray of shape (n, len(LAYER_CONTROLS))
    """
    settings = np.empty(outputs.shape)
    settings[:, STEP] = start.learning_rate * 4 ** bounded(outputs[:, STEP], LARGEST_STEP)
    settings[:, GRADIENT:FAST_SQUARES] = normalized_mix(outputs)
    fast = np.tanh(bounded(outputs[:, FAST_SQUARES], 40.0) / 2)
    settings[:, FAST_SQUARES] = np.maximum(fast, 0)
    decay = bounded(outputs[:, DECAY], LARGEST_DECAY) + start.weight_decay
    settings[:, DECAY] = np.clip(decay, 0, LARGEST_DECAY)
    horizon = start.horizon * 4 ** bounded(outputs[:, HORIZON], LARGEST_HORIZON_CHANGE)
    settings[:, HORIZON] = np.clip(horizon, 1, LARGEST_HORIZON)
    settings[:, GAIN] = 4 ** bounded(outputs[:, GAIN], LARGEST_GAIN)
    dropout = start.dropout + bounded(outputs[:, DROPOUT], 2.0) / 2
    settings[:, DROPOUT] = np.clip(dropout, 0, LARGEST_DROPOUT)
    return settings


def normalized_mix(outputs: np.ndarray) -> np.ndarray:
    """Return the mix of gradient and momenta, of absolute sum 1: momentum 0.9 for outputs of 0."""
    mix = bounded(outputs[:, GRADIENT:FAST_SQUARES], 1e6) + np.array([0.0, 0.0, 1.0, 0.0])
    total = np.abs(mix).sum(axis=1, keepdims=True)
    return np.divide(mix, total, out=np.zeros_like(mix), where=total > 0)
