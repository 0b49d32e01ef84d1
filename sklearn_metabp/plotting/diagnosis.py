"""The display of a diagnosis."""

from typing import Any, Self

import numpy as np

from sklearn_metabp.diagnostics import Diagnosis, TrainingDoctor
from sklearn_metabp.diagnostics.looks import Look
from sklearn_metabp.optional_libraries import require_library
from sklearn_metabp.plotting.axes import grid_of_axes, legend_above
from sklearn_metabp.plotting.style import line_styles

# Limits of the drawn lengths of steps. A length below 0 is a step uphill.
_SHORTEST, _LONGEST = -1, 12


class DiagnosisDisplay:
    """The numbers that a diagnosis was made from, along the training.

    Four Axes: the loss of every epoch beside that of the best constant prediction; the length of
    steps over that to the minimum along them, in which 1 reaches the minimum and above 2 the loss
    rises; the squared gradient over its noise, in which noise alone gives 1; the share of hidden
    neurons that have no slope, layer by layer. A dashed line marks where a problem began.

    Parameters
    ----------
    diagnosis : Diagnosis

    Attributes
    ----------
    ax_ : ndarray of Axes of shape (4,)
    figure_ : Figure

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, TrainingDoctor
    >>> from sklearn_metabp.plotting import DiagnosisDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> doctor = TrainingDoctor()
    >>> model = BackpropMLPClassifier((8,), batch_size=30, tol=0.01, random_state=0)
    >>> model = model.set_callbacks(doctor).fit(X, y)
    >>> display = DiagnosisDisplay.from_diagnosis(doctor)
    >>> [ax.get_ylabel() for ax in display.ax_]
    ['loss', 'length of steps', 'gradient² / noise', 'neurons without slope']
    """

    def __init__(self, *, diagnosis: Diagnosis):
        self.diagnosis = diagnosis

    @classmethod
    def from_diagnosis(cls, diagnosis: Diagnosis | TrainingDoctor, *, ax: Any = None) -> Self:
        """Draw a diagnosis.

        Parameters
        ----------
        diagnosis : Diagnosis or TrainingDoctor
            The last diagnosis of a doctor.
        ax : matplotlib Axes or array-like of 4 of them, default=None
            None makes a figure; a single Axes is divided.

        Returns
        -------
        display : DiagnosisDisplay

        Raises
        ------
        NotFittedError
            If the doctor has watched no training.
        ValueError
            If the training ended before its first step.
        """
        require_library("matplotlib", f"{cls.__name__}.from_diagnosis")
        if isinstance(diagnosis, TrainingDoctor):
            diagnosis = diagnosis.diagnosis_
        return cls(diagnosis=diagnosis).plot(ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the diagnosis; see :meth:`from_diagnosis`.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of 4 of them, default=None

        Returns
        -------
        display : DiagnosisDisplay
        """
        require_library("matplotlib", f"{type(self).__name__}.plot")
        course = self.diagnosis.course
        if course is None:
            raise ValueError("the training ended before its first step: it has nothing to draw.")
        looks = course.looks
        steps = [look.index for look in looks]
        axes = grid_of_axes(ax, 2, 2, figsize=(9, 6))
        styles = line_styles(8)
        colours = [style["color"] for style in styles]
        losses, lengths, signals, neurons = axes

        n = np.arange(1, course.n_epochs + 1)
        marker = "o" if len(n) < 3 else ""
        losses.plot(n, course.epoch_losses, **styles[0], marker=marker, label="training")
        validation = course.ending.validation_losses
        if len(validation):
            epochs = np.arange(1, len(validation) + 1)
            losses.plot(epochs, validation, **styles[1], label="validation")
        losses.axhline(course.constant, color="grey", linestyle=":", label="best constant")
        losses.set(xlabel="epoch", ylabel="loss", yscale="log")
        legend_above(losses, 3)

        drawn = np.clip([look.length for look in looks], _SHORTEST, _LONGEST)
        lengths.plot(steps, drawn, "o-", color=colours[0], markersize=3)
        lengths.axhline(1, color="grey", linestyle=":", label="to the minimum")
        lengths.axhline(2, color=colours[3], linestyle="-", linewidth=1, label="the loss rises")
        lengths.set(xlabel="step", ylabel="length of steps")
        legend_above(lengths)

        signals.plot(steps, [_signal(look) for look in looks], "o-", color=colours[0], markersize=3)
        signals.axhline(1, color="grey", linestyle=":", label="noise alone")
        signals.set(xlabel="step", ylabel="gradient² / noise", yscale="log")
        legend_above(signals)

        for layer in range(len(looks[0].idle)):
            shares = [look.idle[layer].mean() for look in looks]
            style = {**styles[layer % 8], "marker": "o", "markersize": 3}
            neurons.plot(steps, shares, label=f"layer {layer + 1}", **style)
        neurons.set(xlabel="step", ylabel="neurons without slope", ylim=(-0.03, 1.03))
        if looks[0].idle:
            legend_above(neurons, 4)

        for finding in self.diagnosis.findings:
            if finding.is_problem and finding.step is not None:
                for one in (lengths, signals, neurons):
                    one.axvline(finding.step, color="grey", linestyle="--", linewidth=1)
        self.ax_, self.figure_ = axes, axes[0].figure
        return self


def _signal(look: Look) -> float:
    noise = look.variance / look.n_patterns
    return look.square / noise if noise > 0 else np.nan
