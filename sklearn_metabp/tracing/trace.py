"""The steps that were recorded of one or many trainings."""

import os
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_metabp.description import MOST_ROWS, Described, Table, count, shortened
from sklearn_metabp.network import ParameterLayout, StepReport, report_of
from sklearn_metabp.tracing.advantage import advantage_weights
from sklearn_metabp.tracing.folders import open_runs, save_runs
from sklearn_metabp.tracing.frame import as_frame
from sklearn_metabp.tracing.run import COURSE_HEAD, Run
from sklearn_metabp.tracing.scopes import make_scope
from sklearn_metabp.tracing.tasks import Task
from sklearn_metabp.tracing.variables import (
    VARIABLES,
    TraceVariable,
    document_variables,
    in_order,
    renaming_hint,
)


@document_variables
class Trace(Described):
    """Recorded trainings, as a sequence of steps.

    A :class:`TraceRecorder` makes it. Select steps as you select the rows of an array, and join
    traces by ``+``. scikit-learn's splitters and searches take a trace as ``X``, with
    ``trace.runs`` as ``groups``. Selecting steps copies nothing. A scope computes the history of a
    step from the whole run, whatever steps are selected. In a notebook, a trace shows a table of
    its runs.

    Parameters
    ----------
    recorded : sequence of Run
        The trainings.
    rows : tuple of two ndarray of shape (n_steps,), default=None
        Run of every step, and its position in the run; None for all steps of all runs.

    Attributes
    ----------
    runs : ndarray of shape (n_steps,)
        Number of the run that each step belongs to.
    <variables>

    Notes
    -----
    An array is read or computed at its first use, if its variable was recorded. It is read-only.
    The trace keeps it, so each is read once, and released with the trace. A selection has arrays of
    its own, so ``trace[steps].updates`` reads the selected steps alone. A batch with fewer
    patterns than the largest of its run is filled up with NaN. ``n_patterns`` has the numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder()
    >>> teacher = BackpropMLPClassifier(
    ...     (8,), update_rule=SGD(0.1), tol=0.01, random_state=0
    ... )
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
        self._kept: dict[str, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of steps, and of variables that every run has."""
        shared = (
            set.intersection(*(set(run.variables) for run in self._recorded))
            if self._recorded
            else ()
        )
        return len(self), len(shared)

    @property
    def layouts(self) -> list[ParameterLayout]:
        """Layout of every run, by the run's number."""
        return [run.layout for run in self._recorded]

    @property
    def tasks(self) -> list[Task | None]:
        """Task of every run's first fit among those of a search, by the run's number."""
        return [run.task for run in self._recorded]

    @property
    def recorded(self) -> tuple[Run, ...]:
        """The whole runs, by their numbers, whatever steps are selected."""
        return tuple(self._recorded)

    @property
    def steps_in_run(self) -> np.ndarray:
        """Position of every step among the recorded steps of its run, from 0, (n_steps,)."""
        return self._steps

    def __getitem__(self, key: Any) -> "Trace":
        """Select steps by an integer, a slice, a mask or an array of integers."""
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]  # scikit-learn selects rows by X[rows, ...]
        if isinstance(key, tuple):
            raise IndexError(
                "a Trace is indexed by steps alone: trace[steps]. For the variables use .params, "
                ".updates and so on."
            )
        if isinstance(key, (int, np.integer)):
            key = [key]
        if not isinstance(key, slice):
            key = (
                np.asarray(key, dtype=int) if isinstance(key, list) and not key else np.asarray(key)
            )
        return Trace(self._recorded, (self.runs[key], self._steps[key]))

    def run(self, number: int) -> "Trace":
        """Select the steps of one run.

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
        """Iterate over the steps of one run in order, without an array of all of them.

        Parameters
        ----------
        run : int
            As in ``runs``.
        with_others : bool, default=False
            Whether to yield also the steps before and between the selected ones, as far as they
            are known.

        Yields
        ------
        positions : list of int
            Positions of the step in this trace: mostly one, and none for another step.
        step : object
            Has the recorded variables as attributes, besides ``index``, ``epoch``, ``loss``,
            ``n_patterns``, ``network`` and ``layout``. It is valid until the next one, so copy
            values that are to be kept.
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
        """Join the steps of several traces in order, and number their runs anew.

        A run that several traces have, as after selecting steps or opening a directory twice,
        remains one run.

        Raises
        ------
        TypeError
            If an object is not a Trace.
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
    def open(cls, path: str | os.PathLike[str]) -> "Trace":
        """Open the trace in a directory, with its runs in the order in which they were begun.

        The files are mapped while they are read, so a trace may be larger than the memory. A
        directory can be opened while trainings are recorded into it. The trace has the steps that
        have been written.

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
            If there is no trace, or if a file of it is damaged. Arrays are compared with their
            checksums when they are first read, so damage to them is found then.
        """
        return cls(open_runs(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as a directory that :meth:`open` opens, completely or not at all.

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
            If steps of a run are missing, because a step depends on the steps before it.
        """
        numbers = list(dict.fromkeys(self.runs.tolist()))
        whole = Trace([self._recorded[number] for number in numbers])
        in_order = np.array_equal(np.array(numbers, dtype=int)[whole.runs], self.runs)
        if not len(self) or not in_order or not np.array_equal(whole._steps, self._steps):
            raise ValueError(
                "only whole runs are saved, at least one, each with all its steps in order: select "
                "runs by trace.run(number), and steps after opening."
            )
        save_runs(path, whole.recorded)

    def to_frame(self, variables: str | Collection[str] = ()) -> Any:
        """Return a pandas DataFrame with one row per step.

        Parameters
        ----------
        variables : "all" or list of str, default=()
            Variables that get columns; "all" for all variables that every run has recorded.

        Returns
        -------
        frame : DataFrame of n_steps rows
            The first columns are ``run``, ``index``, ``epoch``, ``n_patterns`` and ``loss``. The
            columns of the variables follow, in the order of ``variables``:

            - ``params``, ``gradients``, ``updates`` and ``teacher_updates`` have one column per
              parameter, such as ``params coefs_[0][2,1]``.
            - ``activations``, ``net_inputs``, ``derivatives`` and ``deltas`` have one column per
              layer, pattern and neuron. ``deltas[0][3,2]`` is the column of
              ``trace.deltas[0][:, 3, 2]``: pattern 3 of the batch, neuron 2.
            - ``targets`` and ``outputs`` have one column per pattern and output neuron, such as
              ``outputs[3,2]``.
            - ``summary`` has one column per statistic, such as ``gradients coefs_[0] l2`` and
              ``outputs layer 1 dead``.

            A batch with fewer patterns than the largest one has NaN in the columns of the others.

        Raises
        ------
        ImportError
            If pandas is not installed.
        AttributeError
            If a variable was not recorded.
        ValueError
            For a name that is no variable, or if the runs have several architectures and a variable
            has one number per parameter or neuron.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
        >>> X, y = load_iris(return_X_y=True)
        >>> recorder = TraceRecorder(["params", "outputs"])
        >>> model = BackpropMLPClassifier(
        ...     (2,), update_rule=SGD(0.01), batch_size=50, max_iter=3
        ... )
        >>> model = model.set_params(n_iter_no_change=float("inf"), random_state=0)
        >>> model = model.set_callbacks(recorder).fit(X, y)
        >>> frame = recorder.trace_.to_frame(["params", "outputs"])
        >>> frame.shape  # 5 columns of every step, 19 parameters, 3 outputs of 50 patterns
        (9, 174)
        >>> frame[["index", "loss", "params coefs_[1][0,2]", "outputs[49,0]"]].round(3)[:3]
           index   loss  params coefs_[1][0,2]  outputs[49,0]
        0      1  6.091                  0.149          0.989
        1      2  4.967                  0.152          0.998
        2      3  3.095                  0.155          0.957
        """
        return as_frame(self, variables)

    def __getattr__(self, name: str) -> Any:
        """Return the array of a variable, or the list of its arrays.

        Raises
        ------
        AttributeError
            If it is no variable, or was not recorded.
        ValueError
            If it is an array per parameter or neuron and the runs have several architectures.
        """
        for variable in VARIABLES.values():
            if variable.name_in_trace == name:
                return (
                    self._numbers(variable)
                    if variable.is_always_recorded
                    else self._arrays(variable)
                )
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}{renaming_hint([name])}",
            name=name,
            obj=self,
        )

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_kept"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._kept = {}

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(v.name_in_trace for v in VARIABLES.values())]

    def _numbers(self, variable: TraceVariable) -> np.ndarray:
        """Return one number per step."""
        values = np.zeros(len(self), variable.kind.dtype)
        for number in np.unique(self.runs):
            mine = self.runs == number
            recorded = self._recorded[number].scalars[variable.name_in_trace]
            values[mine] = np.asarray(recorded)[self._steps[mine]]
        return values

    def _arrays(self, variable: TraceVariable) -> Any:
        """Return the recorded arrays of all runs, in the order of the steps, read once."""
        if variable.name not in self._kept:
            self._kept[variable.name] = self._read(variable)
        arrays = list(self._kept[variable.name])
        if not len(self):  # of no network
            return arrays if variable.kind.is_layered else arrays[0]
        return variable.value_of(arrays, self._recorded[self.runs[0]].layout)

    def _read(self, variable: TraceVariable) -> list[np.ndarray]:
        """Read the arrays of a variable, or compute them, into arrays of all steps."""
        numbers = np.unique(self.runs).tolist()
        runs = [self._recorded[number] for number in numbers]
        if len({(run.layout.layer_sizes, run.layout.cell) for run in runs}) > 1:
            layouts = {run.layout.layer_sizes for run in runs}
            raise ValueError(
                f"the trace holds runs of several architectures, {sorted(layouts)}: read the "
                f"arrays of one run, trace.run(number).{variable.name}."
            )
        for number, run in zip(numbers, runs, strict=True):
            if variable.name not in run.stored:
                name = variable.name
                how = variable.option or f"variables=[..., {name!r}]"
                raise AttributeError(
                    f"run {number} of the trace has no {name}: record them with "
                    f"TraceRecorder({how})."
                )
        if not runs:
            return [] if variable.kind.is_layered else [np.empty((0, 0))]
        dtype = variable.kind.dtype or np.result_type(*(run.dtype for run in runs))
        n_patterns = max(run.max_patterns for run in runs)
        shapes = variable.shapes(runs[0].layout, n_patterns)
        arrays = [np.empty((len(self), *shape), dtype) for shape in shapes]
        for number, run in zip(numbers, runs, strict=True):
            mine = np.flatnonzero(self.runs == number)
            run.fill(variable.name, self._steps[mine], arrays, mine)
        for array in arrays:
            array.flags.writeable = False
        return arrays

    def features(self, scope: str = "link", inputs: Iterable[str] | None = None) -> np.ndarray:
        """Return the features that a learner is fitted on.

        Parameters
        ----------
        scope : str, default="link"
            The part of the network that one prediction is for: one of the scopes of
            :class:`LearnedUpdateRule`, which describes them.
        inputs : list of str, default=None
            Names of the inputs of the scope; None for its default ones.

        Returns
        -------
        X : ndarray of shape (n_predictions, n_columns)
            One row per prediction: the inputs, followed by the normalizers if the scope has them.

        Raises
        ------
        ValueError
            For an unknown scope or unknown inputs, or if the trace lacks arrays that they need.
        """
        if not isinstance(inputs, (Iterable, type(None))):
            raise ValueError(f"inputs must be a list of names or None, got {inputs!r}.")
        return make_scope(scope, inputs).features(self)

    def targets_of(self, scope: str = "link") -> np.ndarray:
        """Return the targets that a learner predicts from :meth:`features`.

        Parameters
        ----------
        scope : str, default="link"
            As in :meth:`features`.

        Returns
        -------
        y : ndarray of shape (n_predictions,) or (n_predictions, n_params)
            One row per prediction, in the order of the features. If the run has the updates of a
            teacher, the targets are computed from those, and not from the updates of the run.
        """
        return make_scope(scope).targets(self)

    def advantage(
        self,
        tasks: ArrayLike | None = None,
        *,
        losses: ArrayLike | None = None,
        horizon: int | None = None,
        temperature: float = 1.0,
        max_weight: float = 20.0,
    ) -> np.ndarray:
        r"""Weigh every step by what its run achieved, compared with other runs of the same task.

        Advantage-weighted regression: pass the weights to ``fit`` of a :class:`LearnedUpdateRule`
        as ``sample_weight``, and it imitates the steps that paid more than those that did not. With
        the loss :math:`J` and the temperature :math:`\beta`, a step has the weight

        .. math::
            \omega = \min\left(\exp\left(\frac{R - V}{\beta}\right), \omega_{max}\right)

        where the return :math:`R` is what the run achieved and the baseline :math:`V` the median of
        what the runs of the task achieved. Without a horizon, :math:`R = -\log J` of the last
        epoch, the same for all steps of a run. With a horizon of h epochs it is the decrease of the
        logarithm, :math:`R = \log J_e - \log J_{e+h}` from the epoch e of the step, and :math:`V`
        is taken at the same epoch. Only runs are compared of which the trace has steps; their
        losses are those of whole runs. With a temperature of 1 a run that ends at half of the
        typical loss has the weight 2.

        Parameters
        ----------
        tasks : array-like of shape (n_runs,), default=None
            Label of the task of every run, by the run's number. A task is a network with its data:
            losses of different data say nothing about the rules. None: all runs are of one task.
        losses : array-like of shape (n_runs,), default=None
            Loss that every run reached, by its number, such as its validation loss; infinite for a
            run that diverged. None: the training loss of its last recorded epoch.
        horizon : int, default=None
            Number of epochs in which the loss is to fall after a step, or until the run ends. None:
            the whole run.
        temperature : float, default=1.0
            :math:`\beta`. With a small one only the best runs count, with a large one all alike.
        max_weight : float, default=20.0
            :math:`\omega_{max}`.

        Returns
        -------
        weights : ndarray of shape (n_steps,)
            0 where a loss is not finite.

        Raises
        ------
        ValueError
            If runs of several networks have no ``tasks``, or an argument is out of its range.

        Notes
        -----
        The source takes the mean for :math:`V`. If one of the few runs of a task diverged, the mean
        would give all others the largest weight. The median does not.

        References
        ----------
        X. B. Peng, A. Kumar, G. Zhang and S. Levine, "Advantage-Weighted Regression: Simple and
        Scalable Off-Policy Reinforcement Learning" (2019), algorithm 1 and section 3.2.

        Examples
        --------
        Plain backpropagation with two learning rates, on the same data:

        >>> from sklearn.datasets import load_iris
        >>> from sklearn.preprocessing import scale
        >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
        >>> X, y = load_iris(return_X_y=True)
        >>> recorder = TraceRecorder()
        >>> network = BackpropMLPClassifier((8,), batch_size=30, max_iter=20, random_state=0)
        >>> for rate in (0.03, 0.3):
        ...     network = network.set_params(update_rule=SGD(rate), n_iter_no_change=np.inf)
        ...     network = network.set_callbacks(recorder).fit(scale(X), y)
        >>> trace = recorder.trace_
        >>> slow, fast = (weights[0] for weights in np.split(trace.advantage(), 2))
        >>> print(f"{slow:.2f} {fast:.2f}")
        0.46 2.15
        """
        return advantage_weights(self, tasks, losses, horizon, temperature, max_weight)

    def report(
        self, pattern: int = 0, *, precision: int = 4, max_rows: int | None = MOST_ROWS
    ) -> StepReport:
        """Return the numbers of one step as a table: ``trace[0].report()``.

        The trace must have one step, so select it first.

        Parameters
        ----------
        pattern : int, default=0
            Position in the batch of the pattern whose neurons are shown.
        precision : int, default=4
            Number of decimals. A number that would be rounded to 0 is written as ``2.0e-05``.
        max_rows : int or None, default=12
            Maximal number of neurons of a layer, and of parameters of a tensor, in the tables. None
            for all.

        Returns
        -------
        report : StepReport
            The text is a table of the variables that were recorded.

        Raises
        ------
        ValueError
            If the trace has no step or several; if the batch has no such pattern; if ``precision``
            or ``max_rows`` is out of its range.

        See Also
        --------
        sklearn_metabp.plotting.StepDisplay : A drawing of the network with these numbers.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
        >>> X, y = load_iris(return_X_y=True)
        >>> recorder = TraceRecorder(["deltas", "activations", "targets"])
        >>> model = BackpropMLPClassifier((2,), update_rule=SGD(0.1), tol=1, random_state=0)
        >>> model = model.set_callbacks(recorder).fit(X, y)
        >>> print(recorder.trace_[0].report(precision=2))
        Step 1, epoch 0: loss 6.029, 150 patterns, network 4-2-3
        <BLANKLINE>
        Neurons: pattern 0 of the batch. Gradients and updates: the whole batch.
        <BLANKLINE>
        neuron        activation  delta  target
        input [0]           5.10
        input [1]           3.50
        input [2]           1.40
        input [3]           0.20
        hidden 1 [0]        1.91   0.01
        hidden 1 [1]        2.84   0.04
        output [0]          0.98   0.02    1.00
        output [1]          0.01  -0.01    0.00
        output [2]          0.01  -0.01    0.00
        <BLANKLINE>
        Not recorded: net_inputs, derivatives, params, gradients, updates.
        """
        if len(self) != 1:
            raise ValueError(
                f"a report is about one step, and the trace has {count(len(self), 'step')}: "
                "select one, as in trace[0].report()."
            )
        run = int(self.runs[0])
        steps = self.iter_steps(run)
        _, step = next(steps)
        report = report_of(
            step, pattern, precision=precision, max_rows=max_rows, names=self._recorded[run].stored
        )
        steps.close()  # type: ignore[attr-defined]
        return report

    def _title(self) -> str:
        numbers = np.unique(self.runs)
        layouts = [self._recorded[number].layout for number in numbers]
        layouts.sort(key=lambda layout: layout.layer_sizes)
        sizes = list(dict.fromkeys(layout.sizes_text for layout in layouts))
        shapes = ", ".join(sizes[:3]) + (", …" if len(sizes) > 3 else "")
        title = f"Trace of {count(len(self), 'step')} in {count(len(numbers), 'run')}"
        return title + (f": {shapes}" if shapes else "")

    def _details(self) -> Iterator[Table]:
        rows, variables = [], set()
        for number in np.unique(self.runs).tolist():
            run = self._recorded[number]
            course = run.course(self._steps[self.runs == number])
            rows.append((str(number), run.layout.sizes_text, *course))
            variables |= set(run.variables)
        if not rows:
            return
        head = ("run", "network", *COURSE_HEAD)
        is_number = (True, False, True, False, False, True, True)
        yield Table(head, shortened(rows, "run"), is_number)
        yield Table.of_facts({"variables": ", ".join(in_order(variables))})
