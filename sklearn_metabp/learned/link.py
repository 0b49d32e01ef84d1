"""The scope of one link: what is known there, and what the step did to it."""

import numpy as np

from sklearn_metabp._kernels.scopes import (
    LINK_INPUTS,
    link_history,
    link_inputs,
    memory_rows,
    remember_steps,
)
from sklearn_metabp.tracing import SCOPES, TEACHER_UPDATES, Run, Trace, taught_updates
from sklearn_metabp.tracing.prediction_sample import PredictionSample

# Enough to imitate a rule that follows the gradient, its momentum or its running scale.
DEFAULT_INPUTS = (
    "gradient/rms_0.9",
    "momentum_0.9/rms_0.9",
    "momentum_0.99/rms_0.9",
    "gradient/rms_0.999",
    "momentum_0.9/rms_0.999",
    "rms_0.9/rms_0.999",
    "warmup_0.9",
)

# As Adam's: below it a gradient counts as none.
EPSILON = 1e-8


def check_link_inputs(inputs) -> tuple[str, ...]:
    """Names of the inputs, the default ones for None.

    Raises
    ------
    ValueError
        For a name that is not one of ``LINK_INPUTS``, a name given twice, or none at all.
    """
    if inputs is None:
        return DEFAULT_INPUTS
    names = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    unknown = [name for name in names if name not in LINK_INPUTS]
    if unknown or not names or len(set(names)) < len(names):
        raise ValueError(
            f"inputs of scope='link' must be different names from {list(LINK_INPUTS)}, got "
            f"{unknown or names}."
        )
    return names


def codes_of(inputs: tuple[str, ...]) -> np.ndarray:
    """Positions of the names in ``LINK_INPUTS``, as the kernels take them."""
    return np.array([LINK_INPUTS.index(name) for name in inputs], dtype=np.int64)


def n_columns(codes: np.ndarray) -> int:
    """Columns of a matrix of links: the inputs, and the units."""
    return len(codes) + 1 + bool(memory_rows(codes).steps)


def link_state(layout, codes: np.ndarray) -> dict:
    """What all links of one training remember before its first step; ``codes`` say what is needed."""
    return {"history": link_history(codes, layout.n_params, layout.dtype), "n_steps": 0}


def remembered(codes: np.ndarray) -> tuple[str, ...]:
    """Names of what links remember for these inputs, in the order of the rows of a history."""
    rows = memory_rows(codes)
    return tuple(name for name in rows._fields if len(getattr(rows, name)))


class LinkHistory:
    """What is known at each link of one training at a step, from what all links remember.

    One code path for a recorded and for a live step.

    Parameters
    ----------
    layout : ParameterLayout
    codes : ndarray of int64
        Of the inputs: they decide what has to be remembered.
    state : dict
        As ``link_state`` makes it; changed in place.
    """

    def __init__(self, layout, codes: np.ndarray, state: dict):
        self.sizes = np.array(layout.layer_sizes, dtype=np.int64)
        self.state, self.history = state, state["history"]
        self.remembers_steps = bool(memory_rows(codes).steps)

    def next_step(self) -> int:
        """Count a step; its number, from 1."""
        self.state["n_steps"] += 1
        return self.state["n_steps"]

    def units_at(self, step, inputs: tuple[str, ...]) -> tuple:
        """Mean activations and deltas of the units, each layer in its RMS, where they are inputs."""
        dtype = self.history.dtype
        return (
            _unit_means(step.activations[:-1], dtype) if "activation" in inputs else None,
            _unit_means(step.deltas, dtype) if "delta" in inputs else None,
        )

    def matrix(self, step, inputs: tuple[str, ...], codes: np.ndarray, out=None) -> np.ndarray:
        """Go through a step and write the inputs of every link and its units, (n_params, n_columns)."""
        if out is None:
            out = np.empty((self.history.shape[1], n_columns(codes)), self.history.dtype)
        dtype = self.history.dtype
        link_inputs(  # type: ignore[call-arg]
            _as(step.gradients, dtype),
            _as(step.params, dtype),
            self.history,
            self.next_step(),
            self.sizes,
            codes,
            *self.units_at(step, inputs),
            EPSILON,
            out,
        )
        return out

    def remember(self, updates: np.ndarray) -> None:
        """Take note of what the step did to every link, where that is an input."""
        if self.remembers_steps:
            remember_steps(updates, *self.history[-2:])


def _as(values: np.ndarray, dtype) -> np.ndarray:
    return values if values.dtype == dtype else values.astype(dtype)


def _unit_means(layers, dtype) -> np.ndarray:
    means = []
    for layer in layers:
        mean = layer.mean(axis=0)
        scale = np.sqrt(np.mean(mean**2))
        means.append(mean / scale if scale > 0 else mean)
    return np.concatenate(means).astype(dtype, copy=False)


class LinkScope:
    """The features and targets that the link scope reads of a trace; see ``Trace.features``."""

    def features(self, trace: Trace, inputs=None) -> np.ndarray:
        """Inputs and units of every link of every row, (n_links, n_columns)."""
        return self.sample(trace, inputs)[0]

    def targets(self, trace: Trace) -> np.ndarray:
        """Update of every link of every row, (n_links,)."""
        parts: list[np.ndarray] = [np.empty(0)] * len(trace)
        for number in np.unique(trace.runs):
            rows = np.flatnonzero(trace.runs == number)
            run = trace.recorded[number]
            name = TEACHER_UPDATES if TEACHER_UPDATES in run.stored else "updates"
            updates = run.arrays_at(name, trace.steps_in_run[rows])
            for row, update in zip(rows, updates, strict=True):
                parts[row] = update
        return np.concatenate(parts) if parts else np.empty(0)

    def sample(self, trace: Trace, inputs=None, max_links: int | None = None, rng=None):
        """Features and targets of all links, or of so many drawn at random.

        The history is computed along every run from its first step, whatever rows are selected.

        Raises
        ------
        ValueError
            If the trace is empty, or a run was recorded in part and cannot be computed again.
        """
        names = check_link_inputs(inputs)
        if not len(trace):
            raise ValueError("the trace has no rows: there is nothing to learn from.")
        sizes = np.array([layout.n_params for layout in trace.layouts])[trace.runs]
        sample = PredictionSample(trace, sizes, max_links, rng)
        features = np.empty((len(sample), n_columns(codes_of(names))))
        targets = np.empty(len(sample))
        for number in np.unique(trace.runs):
            self._read_run(trace, number, names, sample, features, targets)
        return features, targets

    def _read_run(self, trace, number, names, sample: PredictionSample, features, targets):
        """Fill in what is wanted of one run."""
        run: Run = trace.recorded[number]
        if not run.is_whole:
            raise ValueError(
                "scope='link' follows the gradients along the run, so it needs every step: record with "
                "TraceRecorder(every=1) from the first step of the training on."
            )
        needed = {"gradients", "params", "updates"} | {
            f"{n}s" for n in ("activation", "delta") if n in names
        }
        if needed - set(run.stored):
            raise ValueError(
                f"scope='link' with inputs={list(names)} needs {sorted(needed)} of every step, and the run "
                f"has {sorted(run.stored)}: record more with TraceRecorder(variables=[...])."
            )
        codes, matrix = codes_of(names), None
        history = LinkHistory(run.layout, codes, link_state(run.layout, codes))
        for step, drawn in sample.steps(number, with_others=True):
            matrix = history.matrix(step, names, codes, matrix)
            history.remember(taught_updates(step))
            for where, links in drawn:
                features[where] = matrix[links]
                targets[where] = taught_updates(step)[links]


SCOPES["link"] = LinkScope()
