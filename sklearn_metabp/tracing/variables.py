"""The table of trace variables: the values that can be recorded of a step, and their shapes."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing.summary_record import summary_record


@dataclass(frozen=True)
class Kind:
    """The shape of a variable.

    Attributes
    ----------
    shape_in_trace : str
        Shape of the variable for all steps of a trace, for docstrings.
    widths : callable
        Returns the last axis of every array that a step has, for a layout; empty for a number.
    has_patterns : bool
        True if the first axis of an array is the patterns of the batch.
    is_layered : bool
        True if the variable is a list of arrays, one per layer.
    dtype : dtype or None
        None for the dtype of the recorded arrays.
    record : callable or None
        ``record(layout, dtype)`` returns the structured dtype that readers see the numbers of a
        step as; None if they are seen as they are.
    """

    shape_in_trace: str
    widths: Callable[[ParameterLayout], tuple[int, ...]]
    has_patterns: bool = False
    is_layered: bool = False
    dtype: np.dtype | None = None
    record: Callable[[ParameterLayout, np.dtype], np.dtype] | None = None


COUNT = Kind("ndarray of int of shape (n_steps,)", lambda _: (), dtype=np.dtype("<i8"))
NUMBER = Kind("ndarray of shape (n_steps,)", lambda _: (), dtype=np.dtype("<f8"))
PER_PARAMETER = Kind("ndarray of shape (n_steps, n_params)", lambda layout: (layout.n_params,))
PER_NEURON = Kind(
    "list of ndarray of shape (n_steps, n_patterns, n_neurons)",
    lambda layout: layout.net_input_widths,
    has_patterns=True,
    is_layered=True,
)
PER_NEURON_AND_INPUT = Kind(
    PER_NEURON.shape_in_trace,
    lambda layout: (*layout.received_widths, layout.layer_sizes[-1]),
    has_patterns=True,
    is_layered=True,
)
PER_OUTPUT = Kind(
    "ndarray of shape (n_steps, n_patterns, n_outputs)",
    lambda layout: layout.layer_sizes[-1:],
    has_patterns=True,
)
SUMMARY = Kind(
    "structured ndarray of shape (n_steps,)",
    lambda layout: (summary_record(layout, np.dtype(np.int8)).itemsize,),
    record=summary_record,
)


@dataclass(frozen=True)
class TraceVariable:
    """One attribute of a step that a trace may have.

    Attributes
    ----------
    name : str
        Attribute of a :class:`Step`, and of a trace if ``plural`` is empty.
    kind : Kind
    description : str
        One sentence for docstrings.
    is_default : bool
        True if it is recorded by default.
    is_always_recorded : bool
        True if every run has it, whatever was chosen.
    option : str
        Option of a recorder that records it, where its ``variables`` may not name it.
    plural : str
        Attribute of a trace and name in a file, where they differ from ``name``.
    """

    name: str
    kind: Kind
    description: str
    is_default: bool = False
    is_always_recorded: bool = False
    option: str = ""
    plural: str = ""

    @property
    def name_in_trace(self) -> str:
        """Attribute of a trace."""
        return self.plural or self.name

    @property
    def is_choice(self) -> bool:
        """Whether a recorder's ``variables`` may name it."""
        return not self.option and self.name not in _OF_EVERY_STEP

    def arrays_of(self, value: Any) -> list[Any]:
        """Return the arrays that the value at one step consists of."""
        if self.kind.record is not None:
            numbers = value[..., np.newaxis]
            while numbers.dtype.names is not None:
                numbers = numbers.view(numbers.dtype[0].base)
            return [numbers]
        return list(value) if self.kind.is_layered else [value]

    def value_of(self, arrays: list[Any], layout: ParameterLayout) -> Any:
        """Return the value that consists of these arrays; the inverse of ``arrays_of``."""
        if self.kind.record is not None:
            (numbers,) = arrays
            return numbers.view(self.kind.record(layout, numbers.dtype))[..., 0]
        return arrays if self.kind.is_layered else arrays[0]

    def array_names(self, layout: ParameterLayout) -> list[str]:
        """Return the name of every array in a file."""
        if not self.kind.is_layered:
            return [self.name_in_trace]
        return [f"{self.name}.{layer}" for layer in range(len(self.kind.widths(layout)))]

    def shapes(self, layout: ParameterLayout, n_patterns: int) -> list[tuple[int, ...]]:
        """Return the shape of every array at one step, with space for so many patterns."""
        widths = self.kind.widths(layout)
        if self.kind.has_patterns:
            return [(n_patterns, width) for width in widths]
        return [widths]

    def without_padding(self, arrays: list[Any], n_patterns: int) -> list[Any]:
        """Return the arrays at one step without the space for patterns that the batch lacks."""
        return [array[:n_patterns] for array in arrays] if self.kind.has_patterns else arrays


# The update that a teacher would have made, recorded where the recorder has a teacher.
TEACHER_UPDATES = "teacher_updates"

# The numbers that identify a step. They need not be chosen.
_OF_EVERY_STEP = ("index", "epoch", "n_patterns")

_ALL = (
    TraceVariable(
        "index",
        COUNT,
        "Number of the step in its training, from 1.",
        is_always_recorded=True,
        plural="indices",
    ),
    TraceVariable(
        "epoch",
        COUNT,
        "Epoch of the step, from 0.",
        is_always_recorded=True,
        plural="epochs",
    ),
    TraceVariable(
        "n_patterns",
        COUNT,
        "Number of patterns in the batch.",
        is_always_recorded=True,
    ),
    TraceVariable(
        "params",
        PER_PARAMETER,
        "Weights and biases before the step. Symbols w, θ.",
        is_default=True,
    ),
    TraceVariable(
        "gradients", PER_PARAMETER, "Derivative of the loss by every parameter.", is_default=True
    ),
    TraceVariable(
        "updates",
        PER_PARAMETER,
        "Change of the parameters made by the step. Symbols Δw, Δθ.",
        is_default=True,
    ),
    TraceVariable(
        "loss",
        NUMBER,
        "Loss of the batch, the penalty included. Symbol J.",
        is_default=True,
        is_always_recorded=True,
        plural="losses",
    ),
    TraceVariable(
        "activations",
        PER_NEURON_AND_INPUT,
        "Outputs of every layer, the input first. Symbol x.",
    ),
    TraceVariable("net_inputs", PER_NEURON, "Inputs of the activation functions. Symbol in."),
    TraceVariable(
        "derivatives", PER_NEURON, "Derivatives of the activation functions at the net inputs."
    ),
    TraceVariable(
        "deltas", PER_NEURON, "Minus the derivative of the loss by the net inputs. Symbol δ."
    ),
    TraceVariable("targets", PER_OUTPUT, "Expected outputs. Symbol ev."),
    TraceVariable("outputs", PER_OUTPUT, "Outputs of the network."),
    TraceVariable(
        TEACHER_UPDATES,
        PER_PARAMETER,
        "Change of the parameters that the recorder's teacher would have made.",
        option="teacher=rule",
    ),
    TraceVariable(
        "summary",
        SUMMARY,
        "Statistics of the tensors and layers, such as ``trace.summary['gradients']['l2']`` of "
        "shape (n_steps, n_tensors).",
        option="summary=True",
    ),
)

# By name. This table is the only place that knows the variables: recorders, files, readers and
# docstrings use it.
VARIABLES: dict[str, TraceVariable] = {variable.name: variable for variable in _ALL}

# The variables of which every run has one number per step.
SCALARS = tuple(variable for variable in _ALL if variable.is_always_recorded)

# Names that recorders had, and the variable that holds the same.
RENAMED = {
    "weights": "params",
    "biases": "params",
    "weight_updates": "updates",
    "bias_updates": "updates",
}


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return names in the order of the table, each once."""
    return tuple(name for name in VARIABLES if name in set(names))


def stored_variables(names: Iterable[str]) -> list[TraceVariable]:
    """Return the named variables that are stored as arrays."""
    variables = [VARIABLES[name] for name in names]
    return [variable for variable in variables if not variable.is_always_recorded]


def check_variables(variables: Any) -> tuple[str, ...]:
    """Return the names that a recorder was given, in the order of the table.

    Raises
    ------
    ValueError
        For a name that is not one of the table, or no name at all.
    """
    choices = [name for name, variable in VARIABLES.items() if variable.is_choice]
    if isinstance(variables, str):
        if variables == "default":
            return tuple(name for name in choices if VARIABLES[name].is_default)
        if variables == "all":
            return tuple(choices)
    try:
        if isinstance(variables, str):
            raise TypeError
        wanted = list(variables)
    except TypeError:
        raise ValueError(
            f"variables must be 'default', 'all' or a list of names from {choices}, got "
            f"{variables!r}{renaming_hint([variables])}."
        ) from None
    unknown = [name for name in wanted if name not in choices]
    if unknown or not wanted:
        raise ValueError(
            f"variables must be names from {choices}, got {unknown or wanted}"
            f"{renaming_hint(unknown)}."
        )
    return in_order(wanted)


def renaming_hint(names: Iterable[Any]) -> str:
    """Return the end of an error message, which gives the new name of every renamed variable."""
    old = [name for name in names if isinstance(name, str) and name in RENAMED]
    return "".join(f"; {name!r} is part of {RENAMED[name]!r} now" for name in dict.fromkeys(old))


def variables_in_file(names: Iterable[str]) -> tuple[str, ...]:
    """Return the variables that a file names, where it may have the names of earlier versions.

    Raises
    ------
    ValueError
        For a name that is not one of the table.
    """
    current = [RENAMED.get(name, name) for name in names]
    known = [name for name, v in VARIABLES.items() if v.is_choice or not v.is_always_recorded]
    if not set(current) <= set(known):
        raise ValueError(f"variables are not names from {known}")
    return in_order(current)


def document_variables(cls: type) -> type:
    """Fill the lists of variables into the docstring of a class."""
    if cls.__doc__ is None:  # python -OO
        return cls
    choices = [variable for variable in VARIABLES.values() if variable.is_choice]
    attributes = "\n".join(
        f"{variable.name_in_trace} : {variable.kind.shape_in_trace}\n    {variable.description}"
        for variable in VARIABLES.values()
    )
    cls.__doc__ = (
        inspect.cleandoc(cls.__doc__)
        .replace("<names>", " ".join(variable.name for variable in choices))
        .replace("<defaults>", ", ".join(f"``{v.name}``" for v in choices if v.is_default))
        .replace("<variables>", attributes)
    )
    return cls
