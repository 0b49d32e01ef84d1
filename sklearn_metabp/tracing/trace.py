"""What was recorded of one or many trainings, a row a step."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing.columns import assemble
from sklearn_metabp.tracing.folders import open_runs, save_runs
from sklearn_metabp.tracing.frame import as_frame
from sklearn_metabp.tracing.run import Run
from sklearn_metabp.tracing.scopes import make_scope
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.variables import RECORDED_BY, TEACHER_UPDATES


class Trace:
    """Recorded trainings: a row is a step of one of its runs.

    A trace is made by :class:`TraceRecorder`. Rows are selected as those of an array, traces are
    joined by ``+``, and scikit-learn's splitters and searches take a trace as ``X`` with
    ``trace.runs`` as ``groups``. Selecting rows copies nothing, and what a scope knows of the past
    of a step is always that of the whole run, whatever rows are selected.

    Parameters
    ----------
    recorded : sequence of Run
        The trainings.
    rows : tuple of two ndarray of shape (n_rows,), default=None
        Run and step within the run of every row; None for all steps of all runs.

    Attributes
    ----------
    runs : ndarray of shape (n_rows,)
        Number of the run that each row belongs to.
    losses : ndarray of shape (n_rows,)
        Loss of the batch, the penalty included. Symbol J.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier((8,), update_rule=SGD(0.1), tol=0.01, random_state=0)
    >>> teacher = teacher.set_callbacks(recorder).fit(X, y)
    >>> trace = recorder.trace_
    >>> trace
    Trace of ... steps in 1 run: 4-8-3
    >>> trace.updates.shape == (teacher.n_iter_, 67)
    True
    >>> bool((trace.params[0] + trace.updates[0] == trace.params[1]).all())
    True
    """

    def __init__(self, recorded: Sequence[Run], rows: tuple[np.ndarray, np.ndarray] | None = None):
        self._recorded = list(recorded)
        if rows is None:
            counts = [run.n_steps for run in self._recorded]
            rows = (
                np.repeat(np.arange(len(counts)), counts),
                np.concatenate([np.arange(0), *(np.arange(count) for count in counts)]),
            )
        self.runs, self._steps = rows

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows, and of variables that every run has."""
        shared = (
            set.intersection(*(set(run.variables) for run in self._recorded))
            if self._recorded
            else ()
        )
        return len(self), len(shared)

    @property
    def layouts(self) -> list[ParameterLayout]:
        """Layout of every run, by its number in ``runs``."""
        return [run.layout for run in self._recorded]

    @property
    def tasks(self) -> list[Task | None]:
        """Place of every run's first fit among the tasks of a search, by its number in ``runs``."""
        return [run.task for run in self._recorded]

    @property
    def recorded(self) -> tuple[Run, ...]:
        """The runs, by their numbers in ``runs``; whole, whatever rows are selected."""
        return tuple(self._recorded)

    @property
    def steps_in_run(self) -> np.ndarray:
        """Position of every row's step among the recorded steps of its run, from 0; (n_rows,)."""
        return self._steps

    def __getitem__(self, key) -> "Trace":
        """Rows by an integer, a slice, a mask or an array of integers."""
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # the way scikit-learn selects rows
        if isinstance(key, tuple):
            raise IndexError(
                "a Trace is indexed by rows alone: trace[rows]. For columns take .params, .updates, …"
            )
        if isinstance(key, (int, np.integer)):
            key = [key]
        if not isinstance(key, slice):
            key = (
                np.asarray(key, dtype=int) if isinstance(key, list) and not key else np.asarray(key)
            )
        return Trace(self._recorded, (self.runs[key], self._steps[key]))

    def run(self, number: int) -> "Trace":
        """The rows of one run.

        Parameters
        ----------
        number : int
            As in ``runs``.

        Raises
        ------
        IndexError
            If there is no such run.
        """
        if not 0 <= number < len(self._recorded):
            raise IndexError(f"the trace has runs 0 to {len(self._recorded) - 1}, not {number}.")
        return self[self.runs == number]

    def iter_steps(self, run: int, *, with_others: bool = False) -> Iterator[tuple[list[int], Any]]:
        """Go through the steps of one run in order, without an array of all of them.

        Parameters
        ----------
        run : int
            As in ``runs``.
        with_others : bool, default=False
            Whether to yield the steps before and between those of this trace too, as far as they
            are known.

        Yields
        ------
        positions : list of int
            Positions of the step in this trace: mostly one, none of another step.
        step : object
            Has the recorded variables as attributes, besides ``index``, ``epoch``, ``loss``,
            ``n_patterns``, ``network`` and ``layout``. It is good until the next one: copy what is
            to be kept.
        """
        mine = np.flatnonzero(self.runs == run)
        if not len(mine):
            return
        mine = mine[np.argsort(self._steps[mine], kind="stable")]
        numbers, start = self._steps[mine], 0
        recorded = self._recorded[run]
        for number, step in recorded.steps(
            recorded_only=not with_others, n_steps=int(numbers[-1]) + 1
        ):
            stop = start
            # A step that was not recorded comes with the number of the next one that was.
            if recorded.is_recorded(step.index):
                while stop < len(numbers) and numbers[stop] == number:
                    stop += 1
            if with_others or stop > start:
                yield mine[start:stop].tolist(), step
            start = stop

    def __add__(self, other: "Trace") -> "Trace":
        if not isinstance(other, Trace):
            return NotImplemented
        return Trace.concatenate([self, other])

    @classmethod
    def concatenate(cls, traces: Iterable["Trace"]) -> "Trace":
        """One trace with the rows of all, in order; the runs of each get numbers of their own.

        A run that is in several of them, as after selecting rows or opening a directory twice,
        stays one run.

        Raises
        ------
        TypeError
            If one is no Trace.
        """
        recorded: list[Run] = []
        numbers: dict[Hashable, int] = {}
        runs, steps = [np.arange(0)], [np.arange(0)]
        for trace in traces:
            if not isinstance(trace, Trace):
                hint = ": pass its trace_" if hasattr(type(trace), "trace_") else ""
                raise TypeError(f"Trace.concatenate joins traces, got {trace!r} among them{hint}.")
            mine = []
            for run in trace._recorded:
                number = numbers.setdefault(run.identity, len(recorded))
                if number == len(recorded):
                    recorded.append(run)
                elif run.n_steps > recorded[number].n_steps:  # opened later, while it was recorded
                    recorded[number] = run
                mine.append(number)
            runs.append(np.array(mine, dtype=int)[trace.runs])
            steps.append(trace._steps)
        return cls(recorded, (np.concatenate(runs), np.concatenate(steps)))

    @classmethod
    def open(cls, path) -> "Trace":
        """Open the trace in a directory, of all its runs in the order in which they were begun.

        The files are mapped while they are read, so a trace may be larger than the memory. A
        directory in which trainings are recorded can be opened any time, and shows what has been
        written.

        Parameters
        ----------
        path : str or path-like
            As given to ``TraceRecorder(path=...)`` or to :meth:`save`.

        Returns
        -------
        trace : Trace

        Raises
        ------
        TraceFileError
            If there is no trace, or a file of it is damaged. Arrays are compared with their
            checksums when they are first read, which is when damage to them is found.
        """
        return cls(open_runs(path))

    def save(self, path) -> None:
        """Write the trace as a directory that :meth:`open` opens: all of it, or nothing.

        Parameters
        ----------
        path : str or path-like
            Must not exist, or be an empty directory.

        Raises
        ------
        FileExistsError
            If something is there.
        OSError
            If it cannot be written.
        ValueError
            If rows of a run are missing, because what a step means depends on those before it.
        """
        numbers = list(dict.fromkeys(self.runs.tolist()))
        whole = Trace([self._recorded[number] for number in numbers])
        in_order = np.array_equal(np.array(numbers, dtype=int)[whole.runs], self.runs)
        if not len(self) or not in_order or not np.array_equal(whole._steps, self._steps):
            raise ValueError(
                "only whole runs are saved, at least one, each with all its rows in order: select runs by "
                "trace.run(number), and rows after opening."
            )
        save_runs(path, whole.recorded)

    def to_frame(self, variables=()):
        """A pandas DataFrame with a row a step.

        Parameters
        ----------
        variables : list of str, default=()
            Of ``weights biases gradients weight_updates bias_updates``: those that get a column a
            parameter.

        Returns
        -------
        frame : DataFrame of n_rows rows
            Columns ``run``, ``index`` of the step in its training, from 1, ``epoch``,
            ``n_patterns`` and ``loss``; then the parameters, named like ``weights coefs_[0][2,1]``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            For another variable, or parameters of several architectures.
        """
        return as_frame(self, variables)

    def _scalars(self, name: str) -> np.ndarray:
        values = np.zeros(len(self), float if name == "losses" else int)
        for number in np.unique(self.runs):
            mine = self.runs == number
            values[mine] = np.asarray(self._recorded[number].scalars[name])[self._steps[mine]]
        return values

    @property
    def losses(self) -> np.ndarray:
        """Loss of the batch at every row, (n_rows,)."""
        return self._scalars("losses")

    @property
    def indices(self) -> np.ndarray:
        """Number of every row's step in its training, from 1, (n_rows,)."""
        return self._scalars("indices")

    @property
    def epochs(self) -> np.ndarray:
        """Epoch of every row's step, from 0, (n_rows,)."""
        return self._scalars("epochs")

    @property
    def n_patterns(self) -> np.ndarray:
        """Patterns in every row's batch, (n_rows,)."""
        return self._scalars("n_patterns")

    def _parts(self, name: str) -> list[tuple[np.ndarray, object]]:
        """For every run with rows here: where they go, and its array of the variable."""
        numbers = np.unique(self.runs)
        layouts = {self._recorded[number].layout.layer_sizes for number in numbers}
        if len(layouts) > 1:
            raise ValueError(
                f"the trace holds runs of several architectures, {sorted(layouts)}: ask for the arrays of "
                f"one run, trace.run(number).{name}."
            )
        parts = []
        for number in numbers:
            mine = np.flatnonzero(self.runs == number)
            try:
                rows = self._recorded[number].rows(name, self._steps[mine])
            except KeyError:
                how = (
                    "teacher=rule"
                    if name == TEACHER_UPDATES
                    else f"variables=[..., {RECORDED_BY[name]!r}]"
                )
                raise AttributeError(
                    f"run {number} of the trace has no {name}: record them with TraceRecorder({how})."
                ) from None
            parts.append((mine, rows))
        return parts

    def _array(self, name: str) -> np.ndarray:
        return assemble(self._parts(name), len(self))

    def _layers(self, name: str) -> list[np.ndarray]:
        parts = self._parts(name)
        n_layers = len(parts[0][1]) if parts else 0  # type: ignore[arg-type]
        return [
            assemble([(mine, layers[layer]) for mine, layers in parts], len(self))  # type: ignore[index]
            for layer in range(n_layers)
        ]

    @property
    def params(self) -> np.ndarray:
        """Weights and biases before the step, (n_rows, n_params). Symbols w, θ."""
        return self._array("params")

    @property
    def updates(self) -> np.ndarray:
        """What the step added to them, (n_rows, n_params). Symbols Δw, Δθ."""
        return self._array("updates")

    @property
    def teacher_updates(self) -> np.ndarray:
        """What the recorder's teacher would have added to them, (n_rows, n_params)."""
        return self._array(TEACHER_UPDATES)

    @property
    def gradients(self) -> np.ndarray:
        """Derivative of the loss by them, (n_rows, n_params)."""
        return self._array("gradients")

    @property
    def activations(self) -> list[np.ndarray]:
        """Outputs of every layer, the input first, each (n_rows, n_patterns, n_units). Symbol x.

        A batch with fewer patterns than the largest of its run is filled up with NaN, here and in
        all that belongs to a pattern; ``n_patterns`` counts.
        """
        return self._layers("activations")

    @property
    def net_inputs(self) -> list[np.ndarray]:
        """What went into the activation functions, each (n_rows, n_patterns, n_units). Symbol in."""
        return self._layers("net_inputs")

    @property
    def derivatives(self) -> list[np.ndarray]:
        """Derivative of the activation function there, each (n_rows, n_patterns, n_units)."""
        return self._layers("derivatives")

    @property
    def deltas(self) -> list[np.ndarray]:
        """Minus the loss derivative by the net input, each (n_rows, n_patterns, n_units). Symbol δ."""
        return self._layers("deltas")

    @property
    def targets(self) -> np.ndarray:
        """Expected outputs, (n_rows, n_patterns, n_outputs). Symbol ev."""
        return self._array("targets")

    @property
    def outputs(self) -> np.ndarray:
        """Outputs of the network, (n_rows, n_patterns, n_outputs)."""
        return self._array("outputs")

    def features(self, scope: str = "link", inputs: Iterable[str] | None = None) -> np.ndarray:
        """Return what a learner sees of every row.

        Parameters
        ----------
        scope : str, default="link"
            What one prediction is about, one of the scopes of :class:`LearnedUpdateRule`, which
            describes them.
        inputs : list of str, default=None
            Names of what the scope takes in; None for its default.

        Returns
        -------
        X : ndarray of shape (n_predictions, n_columns)
            One row a prediction: the inputs, then the normalizers where the scope has them.

        Raises
        ------
        ValueError
            For an unknown scope or inputs, or if the trace lacks what they need.
        """
        if not isinstance(inputs, (Iterable, type(None))):
            raise ValueError(f"inputs must be a list of names or None, got {inputs!r}.")
        return make_scope(scope, inputs).features(self)

    def targets_of(self, scope: str = "link") -> np.ndarray:
        """Return what a learner is to predict from :meth:`features`.

        Parameters
        ----------
        scope : str, default="link"
            As in :meth:`features`.

        Returns
        -------
        y : ndarray of shape (n_predictions,) or (n_predictions, n_params)
            One row a prediction, in the order of the features. Where the run has the updates of a
            teacher, they are learned and not its own.
        """
        return make_scope(scope).targets(self)

    def __repr__(self) -> str:
        numbers = np.unique(self.runs)
        sizes = sorted({self._recorded[number].layout.layer_sizes for number in numbers})
        shapes = ", ".join("-".join(map(str, size)) for size in sizes[:3]) + (
            ", …" if len(sizes) > 3 else ""
        )
        plural = "run" if len(numbers) == 1 else "runs"
        steps = "1 step" if len(self) == 1 else f"{len(self)} steps"
        return f"Trace of {steps} in {len(numbers)} {plural}" + (f": {shapes}" if shapes else "")
