"""The controls of a controller: names for readers, units, and equations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def of_all(layer: int, is_bias: bool) -> bool:
    """Return True: every weight matrix and bias vector has the control."""
    return True


def of_weights(layer: int, is_bias: bool) -> bool:
    """Return True for weight matrices."""
    return not is_bias


def of_weights_after_hidden(layer: int, is_bias: bool) -> bool:
    """Return True for weight matrices whose inputs are outputs of a hidden layer."""
    return not is_bias and layer > 0


@dataclass(frozen=True)
class Control:
    """A value that a controller sets for every weight matrix and bias vector.

    Attributes
    ----------
    name : str
        Name of the controller's output.
    label : str
        Name for readers, with its symbol and its unit.
    write : callable
        ``write(name, start, text)`` returns the equation of the value, from its start and the
        equation of the output.
    is_log : bool
        True if factors of the value matter, and not differences.
    has_it : callable
        ``has_it(layer, is_bias)`` returns whether a weight matrix or bias vector has the control.
    is_initial : bool
        True if it counts in the first step of a training alone.
    """

    name: str
    label: str
    write: Callable[[str, float, str], str]
    is_log: bool = False
    has_it: Callable[[int, bool], bool] = of_all
    is_initial: bool = False


@dataclass(frozen=True, eq=False)
class ControlCurves:
    """The values that a controller sets along one recorded training.

    Attributes
    ----------
    controls : tuple of Control
    tensors : tuple of str
        Names of the weight matrices, then of the bias vectors.
    layers : tuple of int
        Layer of every tensor, from 0.
    steps : ndarray of shape (n_steps,)
        Numbers of the steps, from 1.
    values : ndarray of shape (n_steps, n_tensors, n_controls)
        NaN where a tensor does not have the control, and for the gain after the first step.
    of_adam : ndarray of shape (n_controls,)
        Values of Adam with its default parameters, the same in all steps.
    """

    controls: tuple[Control, ...]
    tensors: tuple[str, ...]
    layers: tuple[int, ...]
    steps: np.ndarray
    values: np.ndarray
    of_adam: np.ndarray


def factor_of_start(name: str, start: float, text: str) -> str:
    """Write a value that is a power of 4 times its start."""
    return f"{name} = {start:.4g}" + ("" if text == "0" else f"·4^({text})")


def share_of_mix(name: str, start: float, text: str) -> str:
    """Write a value that is divided by the sum of all values of its kind."""
    return f"{name} = {start:.4g}" if text == "0" else f"{name} ∝ {added_to(start, text)}"


def never_negative(name: str, start: float, text: str) -> str:
    """Write a value that is its start and the output, and at least 0."""
    return f"{name} = {start:.4g}" if text == "0" else f"{name} = max(0, {added_to(start, text)})"


def share_from_zero(name: str, start: float, text: str) -> str:
    """Write a share that is 0 for outputs up to 0."""
    return f"{name} = {start:.4g}" if text == "0" else f"{name} = max(0, tanh(({text})/2))"


def share_up_to(largest: float) -> Callable[[str, float, str], str]:
    """Make a writer of a share that is its start and half the output, from 0 to ``largest``."""

    def write(name: str, start: float, text: str) -> str:
        if text == "0":
            return f"{name} = {start:.4g}"
        return f"{name} = max(0, min({largest:g}, {added_to(start, f'({text})/2')}))"

    return write


def added_to(start: float, text: str) -> str:
    """Write the sum of a start and a text."""
    return text if not start else f"{start:.4g} + {text}".replace("+ -", "- ")
