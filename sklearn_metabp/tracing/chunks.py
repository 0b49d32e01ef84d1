"""A chunk of a run on disk: the header of its file, and its steps."""

import math
import re
import uuid
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_metabp._kernels.network.input_layer import EMBEDDINGS
from sklearn_metabp._kernels.recurrent.cells import CELLS
from sklearn_metabp.network import (
    INPUT_GRADIENT_NORMS,
    LOSSES,
    OUT_ACTIVATIONS,
    BaseNetwork,
    Embedding,
    Extra,
    InputLayer,
    Network,
    ParameterLayout,
    RecurrentNetwork,
    mixes_of,
)
from sklearn_metabp.tracing.files import CheckedFile, open_file
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.variables import SCALARS, stored_variables, variables_in_file
from sklearn_metabp.update_rules.schedules import SCHEDULES

KIND = "sklearn_metabp trace 1"
FIRST_PARAMS = "first_params"
_KEYS = {
    *("layer_sizes", "layer_dtype", "activations", "out_activation", "loss", "alpha"),
    *("dropout", "out_groups"),
    *("variables", "every", "max_patterns", "dtype", "adds_updates", "run_id"),
}
# Files of earlier versions do not have these.
_OPTIONAL_KEYS = {
    *("task", "records", "recurrence"),
    *("input_noise", "input_gradient_penalty", "input_gradient_norm", "input_layer"),
    *("dropout_schedule", "parametric_layers"),
}

_RUN_ID = re.compile(r"[0-9a-f]{32}")

# Limits of numbers in a header, which a forged file of any length could contain.
_MOST_UNITS = 2**31
_MOST_LAYERS = 10_000
_MOST_STEPS = 2**53


class TraceFileError(ValueError):
    """Error of a file or directory that is no trace or a damaged one.

    The message has the path and the reason.
    """


@dataclass(frozen=True)
class RunHeader:
    """Description of a run, which every chunk of the run has in its header.

    Parameters
    ----------
    network : BaseNetwork
    variables : tuple of str
        Names of the recorded variables, in the order of the table.
    every : int
        One step in so many is recorded.
    max_patterns : int or None
        Number of patterns that a step has space for; None if no recorded variable has patterns.
    dtype : dtype
        Dtype of the recorded arrays; the scalars of a step are float64 and int64.
    adds_updates : bool
        See :class:`Run`.
    run_id : str of 32 hexadecimal digits
        Random number, which distinguishes chunks of different runs of the same shape.
    task : Task or None
        See :class:`Run`.
    """

    network: BaseNetwork
    variables: tuple[str, ...]
    every: int
    max_patterns: int | None
    dtype: np.dtype
    adds_updates: bool = True
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    task: Task | None = None

    @property
    def sums_updates(self) -> bool:
        """Whether the parameters are computed from those of a chunk's first step and the updates.

        The running sum has the same bits, because the loop adds the updates in the same way. If a
        line search sets the parameters, they are stored.
        """
        exact = self.adds_updates and self.every == 1 and self.dtype == self.network.layout.dtype
        return exact and {"params", "updates"} <= set(self.variables)

    def rows(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return the dtype and the shape at one step of every array, by its name in the file."""
        layout = self.network.layout
        return {
            name: (variable.kind.dtype or self.dtype, shape)
            for variable in (*SCALARS, *stored_variables(self.variables))
            if variable.name != "params" or not self.sums_updates
            for name, shape in zip(
                variable.array_names(layout),
                variable.shapes(layout, self.max_patterns or 0),
                strict=True,
            )
        }

    def to_json(self) -> dict[str, Any]:
        """Return the header as it is written in JSON."""
        network = self.network
        return {
            "layer_sizes": list(network.layout.layer_sizes),
            "layer_dtype": network.layout.dtype.name,
            "activations": list(network.activations),
            "out_activation": network.out_activation,
            "loss": network.loss,
            "alpha": float(network.alpha),
            "dropout": float(network.dropout),
            "dropout_schedule": network.without_functions.dropout_schedule,
            "out_groups": network.out_groups and list(network.out_groups),
            "input_noise": float(network.input_noise),
            "input_gradient_penalty": float(network.input_gradient_penalty),
            "input_gradient_norm": network.input_gradient_norm,
            "parametric_layers": network.parametric_layers,
            "recurrence": _recurrence(network),
            "input_layer": _input_layer(network),
            "variables": list(self.variables),
            "every": self.every,
            "max_patterns": self.max_patterns,
            "dtype": self.dtype.name,
            "adds_updates": self.adds_updates,
            "run_id": self.run_id,
            "task": self.task and {"path": self.task.path, "ids": list(self.task.ids)},
            "records": _records(self.variables, network.layout),
        }

    @classmethod
    def from_json(cls, header: dict) -> "RunHeader":
        """Return the header that was read as JSON.

        Raises
        ------
        ValueError
            If a value is missing or not possible.
        """
        if set(header) - _OPTIONAL_KEYS != _KEYS:
            raise ValueError(f"its header has {sorted(header)[:20]} and not {sorted(_KEYS)}")
        sizes = header["layer_sizes"]
        if not isinstance(sizes, list) or not 2 <= len(sizes) <= _MOST_LAYERS:
            raise ValueError("layer_sizes are not those of a network")
        recurrence = _recurrence_options(header.get("recurrence"))
        layout = ParameterLayout(
            tuple(_integer("layer_sizes", size, _MOST_UNITS) for size in sizes),
            np.dtype(_one_of("layer_dtype", header, ("float32", "float64"))),
            recurrence.pop("cell", None),
            _mixes(header.get("parametric_layers", []), sizes),
        ).with_input_layer(_known_input_layer(header.get("input_layer"), sizes[0]))
        network = (RecurrentNetwork if recurrence else Network)(
            layout,
            _activations(header["activations"]),
            _one_of("out_activation", header, OUT_ACTIVATIONS),
            _one_of("loss", header, tuple(LOSSES)),
            _at_least_0("alpha", header),
            _at_least_0("dropout", header),
            _groups(header["out_groups"], layout),
            dropout_schedule=_one_of(
                "dropout_schedule", {"dropout_schedule": "constant"} | header, tuple(SCHEDULES)
            ),
            **(recurrence or _input_options(header, sizes[0])),
        )
        variables = header["variables"]
        if not isinstance(variables, list) or not variables:
            raise ValueError("variables are not a list of names")
        if not all(isinstance(name, str) for name in variables):
            raise ValueError("variables are not a list of names")
        if len(set(variables)) < len(variables):
            raise ValueError("a variable is named twice")
        known = variables_in_file(variables)
        if header.get("records", {}) != _records(known, layout):
            raise ValueError("records are not those of this version")
        return cls(
            network,
            known,
            _integer("every", header["every"], _MOST_UNITS),
            _room(header["max_patterns"], known),
            np.dtype(_one_of("dtype", header, ("float32", "float64"))),
            _true_or_false("adds_updates", header),
            _run_id(header["run_id"]),
            _task(header.get("task")),
        )


def _input_options(header: dict, n_inputs: int) -> dict[str, Any]:
    """Return what a header says of the inputs of a network; old files say nothing of them."""
    header = {
        "input_noise": 0.0,
        "input_gradient_penalty": 0.0,
        "input_gradient_norm": "l2",
    } | header
    return {
        "input_noise": _at_least_0("input_noise", header),
        "input_gradient_penalty": _at_least_0("input_gradient_penalty", header),
        "input_gradient_norm": _one_of("input_gradient_norm", header, tuple(INPUT_GRADIENT_NORMS)),
        "input_layer": _known_input_layer(header.get("input_layer"), n_inputs),
    }


def _input_layer(network: BaseNetwork) -> dict[str, Any] | None:
    """Return what a header says of an input layer."""
    layer = network.input_layer
    if layer is None:
        return None
    embedding = None if layer.embedding is None else asdict(layer.embedding)
    return {"has_scales": layer.has_scales, "embedding": embedding}


def _known_input_layer(value: Any, n_inputs: int) -> InputLayer | None:
    """Return the input layer that a header describes."""
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"has_scales", "embedding"}:
        raise ValueError("input_layer is no has_scales and embedding")
    has_scales, given = _true_or_false("has_scales", value), value["embedding"]
    if given is None:
        return InputLayer(n_inputs, has_scales)
    if not isinstance(given, dict) or set(given) != {one.name for one in fields(Embedding)}:
        raise ValueError("embedding is none of this version")
    columns, edges = given["columns"], given["edges"]
    if not isinstance(columns, list) or not isinstance(edges, list):
        raise ValueError("columns and edges of an embedding are not lists")
    if not all(isinstance(ends, list) for ends in edges) or not all(
        type(number) is float for ends in edges for number in ends
    ):
        raise ValueError("edges of an embedding are not lists of numbers")
    if not all(type(column) is int and 0 <= column < n_inputs for column in columns):
        raise ValueError("columns of an embedding are not those of the inputs")
    embedding = Embedding(
        _one_of("kind", given, tuple(EMBEDDINGS)),
        tuple(columns),
        _integer("n_functions", given["n_functions"], _MOST_UNITS),
        _integer("n_outputs", given["n_outputs"], _MOST_UNITS),
        _at_least_0("sigma", given),
        tuple(map(tuple, edges)),
    )
    return InputLayer(n_inputs, has_scales, embedding)


def _mixes(layers: Any, sizes: list[int]) -> tuple[Extra, ...]:
    """Return the factors of the hidden layers with a parametric activation."""
    n_hidden = len(sizes) - 2
    if not isinstance(layers, list) or any(type(n) is not int for n in layers):
        raise ValueError("parametric_layers is no list of numbers of hidden layers")
    if sorted(set(layers)) != layers or not all(0 <= n < n_hidden for n in layers):
        raise ValueError("parametric_layers are not hidden layers in their order")
    return tuple(mixes_of(layer, sizes[layer + 1]) for layer in layers)


def _records(variables: tuple[str, ...], layout: ParameterLayout) -> dict[str, list]:
    """Return the fields of every record, so that a file says what its numbers are."""
    number = np.dtype(np.int8)
    return {
        variable.name: _fields(variable.kind.record(layout, number))
        for variable in stored_variables(variables)
        if variable.kind.record is not None
    }


def _fields(record: np.dtype) -> list:
    """Return the fields of a structured dtype: names with shapes, and with their own fields."""
    return [
        [
            name,
            list(record[name].shape),
            *([_fields(record[name].base)] if record[name].base.names else []),
        ]
        for name in record.names or ()
    ]


def _recurrence(network: BaseNetwork) -> dict[str, Any] | None:
    """Return what a header says of a recurrent network alone."""
    if not isinstance(network, RecurrentNetwork):
        return None
    return {
        "cell": network.layout.cell,
        "every_step": network.every_step,
        "bptt_steps": network.bptt_steps,
    }


def _recurrence_options(value: Any) -> dict[str, Any]:
    """Return the cell and the options of a recurrent network; nothing for another one."""
    if value is None:
        return {}
    if not isinstance(value, dict) or set(value) != {"cell", "every_step", "bptt_steps"}:
        raise ValueError("recurrence is no cell, every_step and bptt_steps")
    n_steps = value["bptt_steps"]
    return {
        "cell": _one_of("cell", value, tuple(CELLS)),
        "every_step": _true_or_false("every_step", value),
        "bptt_steps": None if n_steps is None else _integer("bptt_steps", n_steps, _MOST_UNITS),
    }


def space_for_patterns(n_patterns: int, variables: tuple[str, ...]) -> int | None:
    """Return the number of patterns to make space for; None where no variable has patterns."""
    has_patterns = any(variable.kind.has_patterns for variable in stored_variables(variables))
    return n_patterns if has_patterns else None


def _room(value: Any, variables: tuple[str, ...]) -> int | None:
    if space_for_patterns(1, variables) is not None:
        return _integer("max_patterns", value, _MOST_STEPS)
    if value is not None:
        raise ValueError("max_patterns must be null where nothing belongs to a pattern")
    return None


def _integer(name: str, value: Any, most: int) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"{name} must be integers from 1 to {most}")
    return value


def _run_id(value: Any) -> str:
    if not isinstance(value, str) or not _RUN_ID.fullmatch(value):
        raise ValueError("run_id is not 32 hexadecimal digits")
    return value


def _task(value: Any) -> Task | None:
    if value is None:
        return None
    if (
        not isinstance(value, dict)
        or set(value) != {"path", "ids"}
        or not isinstance(value["path"], str)
    ):
        raise ValueError("task is no path and ids")
    ids = value["ids"]
    if not isinstance(ids, list) or not all(
        type(one) is int and 0 <= one <= _MOST_STEPS for one in ids
    ):
        raise ValueError(f"the ids of task must be integers from 0 to {_MOST_STEPS}")
    if len(ids) != len(value["path"].split("/")):
        raise ValueError("task has not one id for every name of its path")
    return Task(value["path"], tuple(ids))


def _true_or_false(name: str, header: dict) -> bool:
    value = header[name]
    if not isinstance(value, bool):
        raise ValueError(f"{name} is neither true nor false")
    return value


def _at_least_0(name: str, header: dict) -> float:
    value = header[name]
    if type(value) is not float or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is not a number of 0 or more")
    return value


def _activations(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("activations are not a list of names")
    return tuple(names)


def _groups(widths: Any, layout: ParameterLayout) -> tuple[int, ...] | None:
    if widths is None:
        return None
    n_outputs = layout.layer_sizes[-1]
    if not isinstance(widths, list) or len(widths) > n_outputs:
        raise ValueError("out_groups are not those of the outputs")
    return tuple(_integer("out_groups", width, n_outputs) for width in widths)


def _one_of(name: str, header: dict, allowed: tuple[str, ...]) -> str:
    value = header[name]
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is none of {list(allowed)}")
    return value


@dataclass(frozen=True)
class Chunk:
    """Steps of a run in one file.

    Attributes
    ----------
    header : RunHeader
    scalars : dict of ndarray of shape (n_steps,)
        See :class:`Run`.
    file : CheckedFile
    """

    header: RunHeader
    scalars: dict[str, np.ndarray]
    file: CheckedFile

    @property
    def n_steps(self) -> int:
        """Number of steps."""
        return len(self.scalars["indices"])


def read_chunk(path: Path) -> Chunk:
    """Read the header and the scalars of a chunk. Its arrays are mapped later.

    Raises
    ------
    TraceFileError
        If the file is no chunk, or a damaged one.
    """
    return _checked(open_file(path, KIND, TraceFileError))


def read_unfinished_chunk(path: Path) -> Chunk:
    """Read an unfinished chunk into memory, of a training that still runs or was killed.

    Raises
    ------
    TraceFileError
        If nothing has been written yet, or if the file is no chunk, or a damaged one.
    """
    return _checked(open_file(path, KIND, TraceFileError).so_far())


def _checked(file: CheckedFile) -> Chunk:
    try:
        header = RunHeader.from_json(file.header)
    except ValueError as error:
        raise file.fault(str(error)) from error
    n = _check_shapes(file, header)
    numbers = {v.name_in_trace: file.array(v.name_in_trace).copy() for v in SCALARS}
    indices, epochs, n_patterns = numbers["indices"], numbers["epochs"], numbers["n_patterns"]
    first = int(indices[0])
    if not 1 <= first <= _MOST_STEPS or (indices != first + header.every * np.arange(n)).any():
        raise file.fault(f"its steps are not one in {header.every} of a training")
    if epochs.min() < 0 or (np.diff(epochs) < 0).any():
        raise file.fault("its epochs run backwards")
    most = header.max_patterns or _MOST_STEPS
    if n_patterns.min() < 1 or n_patterns.max() > most:
        raise file.fault(f"a step has no patterns, or more than {most}")
    return Chunk(header, numbers, file)


def _check_shapes(file: CheckedFile, header: RunHeader) -> int:
    """Return the number of steps; raise unless every array is as the header describes it."""
    n = file.specs["indices"].shape[0] if "indices" in file.specs else 0
    expected = {
        name: (dtype.newbyteorder("<"), (n, *shape))
        for name, (dtype, shape) in header.rows().items()
    }
    if header.sums_updates:
        expected[FIRST_PARAMS] = header.dtype.newbyteorder("<"), (1, header.network.layout.n_params)
    found = {name: (spec.dtype, spec.shape) for name, spec in file.specs.items()}
    if found != expected:
        odd = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        raise file.fault(f"{odd[:3]} are not as its header says")
    return n
