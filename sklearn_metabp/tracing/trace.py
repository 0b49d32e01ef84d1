"""What was recorded of one or many trainings, a row a step."""

from collections.abc import Iterable, Sequence

import numpy as np

from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.tracing.run import Run
from sklearn_metabp.tracing.scopes import scope_named
from sklearn_metabp.tracing.variables import OF_LAYERS, OF_PATTERNS

_RECORDED_BY = {
    "params": "weights",
    "updates": "weight_updates",
    "gradients": "gradients",
    **{name: name for name in OF_LAYERS + OF_PATTERNS},
}


class Trace:
    """Recorded trainings: a row is a step of one of its runs.

    A trace is made by :class:`TraceRecorder`. Rows are selected as those of an array, traces are
    joined by ``+``, and scikit-learn's splitters and searches take a trace as ``X`` with ``trace.runs``
    as ``groups``. Selecting rows copies nothing, and what a scope knows of the past of a step is
    always that of the whole run, whatever rows are selected.

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
        shared = set.intersection(*(set(run.variables) for run in self._recorded)) if self._recorded else ()
        return len(self), len(shared)

    @property
    def layouts(self) -> list[ParameterLayout]:
        """Layout of every run, by its number in ``runs``."""
        return [run.layout for run in self._recorded]

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
        key = np.asarray(key) if not isinstance(key, slice) else key
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

    def __add__(self, other: "Trace") -> "Trace":
        if not isinstance(other, Trace):
            return NotImplemented
        return Trace.concatenate([self, other])

    @classmethod
    def concatenate(cls, traces: Iterable["Trace"]) -> "Trace":
        """One trace with the rows of all, in order; the runs of each get numbers of their own.

        A run that is in several of them, as after selecting rows, stays one run.
        """
        recorded: list[Run] = []
        runs, steps = [np.arange(0)], [np.arange(0)]
        for trace in traces:
            for run in trace._recorded:
                if not any(run is known for known in recorded):
                    recorded.append(run)
            number = [next(i for i, k in enumerate(recorded) if k is run) for run in trace._recorded]
            runs.append(np.array(number, dtype=int)[trace.runs])
            steps.append(trace._steps)
        return cls(recorded, (np.concatenate(runs), np.concatenate(steps)))

    def _scalars(self, name: str) -> np.ndarray:
        values = np.zeros(len(self), float if name == "losses" else int)
        for number in np.unique(self.runs):
            mine = self.runs == number
            values[mine] = np.array(self._recorded[number].scalars[name])[self._steps[mine]]
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
                array = self._recorded[number][name]
            except KeyError:
                raise AttributeError(
                    f"run {number} of the trace has no {name}: record them with "
                    f"TraceRecorder(variables=[..., {_RECORDED_BY[name]!r}])."
                ) from None
            steps = self._steps[mine]
            taken = [a[steps] for a in array] if isinstance(array, list) else array[steps]
            parts.append((mine, taken))
        return parts

    def _array(self, name: str) -> np.ndarray:
        return _assemble(self._parts(name), len(self))

    def _layers(self, name: str) -> list[np.ndarray]:
        parts = self._parts(name)
        n_layers = len(parts[0][1]) if parts else 0  # type: ignore[arg-type]
        return [
            _assemble([(mine, layers[layer]) for mine, layers in parts], len(self))  # type: ignore[index]
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
    def gradients(self) -> np.ndarray:
        """Derivative of the loss by them, (n_rows, n_params)."""
        return self._array("gradients")

    @property
    def activations(self) -> list[np.ndarray]:
        """Outputs of every layer, the input first, each (n_rows, n_patterns, n_units). Symbol x.

        A batch with fewer patterns than the first of its run is filled up with NaN, here and in
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

    def features(self, scope: str = "link", inputs=None) -> np.ndarray:
        """What a learner sees: the features of every row.

        Parameters
        ----------
        scope : {"link"}, default="link"
            What one prediction is about.
        inputs : list of str, default=None
            Names of what the scope takes in; None for its default.

        Returns
        -------
        X : ndarray of shape (n_predictions, n_columns)
            For ``"link"`` one row a link of every step: ``inputs``, then the link's unit.
        """
        return scope_named(scope).features(self, inputs)

    def targets_of(self, scope: str = "link") -> np.ndarray:
        """What a learner is to predict from :meth:`features`.

        Parameters
        ----------
        scope : {"link"}, default="link"

        Returns
        -------
        y : ndarray of shape (n_predictions,)
            For ``"link"`` the update of every link of every step.
        """
        return scope_named(scope).targets(self)

    def __repr__(self) -> str:
        numbers = np.unique(self.runs)
        sizes = sorted({self._recorded[number].layout.layer_sizes for number in numbers})
        shapes = ", ".join("-".join(map(str, size)) for size in sizes[:3]) + (", …" if len(sizes) > 3 else "")
        plural = "run" if len(numbers) == 1 else "runs"
        return f"Trace of {len(self)} steps in {len(numbers)} {plural}" + (f": {shapes}" if shapes else "")


def _assemble(parts: list, n_rows: int) -> np.ndarray:
    """Rows of several runs in one array; fewer patterns than the most are filled up with NaN."""
    if len(parts) == 1:
        return parts[0][1]
    if not parts:
        return np.empty((0, 0))
    arrays = [array for _, array in parts]
    shape = tuple(max(sizes) for sizes in zip(*(a.shape[1:] for a in arrays), strict=True))
    whole = np.full((n_rows, *shape), np.nan, np.result_type(*arrays))
    for mine, array in parts:
        whole[(mine, *(slice(size) for size in array.shape[1:]))] = array
    return whole
