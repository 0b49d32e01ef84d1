"""The diagnosis of a training, in words and numbers."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_metabp.description import Report, Table, count
from sklearn_metabp.diagnostics.checks import CHECKS, NO_STEP, Check
from sklearn_metabp.diagnostics.course import Course, Ending
from sklearn_metabp.diagnostics.evidence import Evidence
from sklearn_metabp.diagnostics.looks import NEEDS
from sklearn_metabp.diagnostics.observer import Observer
from sklearn_metabp.diagnostics.reading import check_trace
from sklearn_metabp.tracing import Trace


@dataclass(frozen=True)
class Finding:
    """One problem of a training.

    Attributes
    ----------
    name : str
        Name of the check.
    verdict : str
        The finding, with its numbers.
    advice : str
        The advice.
    value, threshold : float
        The evidence, and its smallest value that is a finding.
    facts : dict
        The numbers of the verdict.
    step, epoch : int or None
        Beginning of the problem: numbers of the step, from 1, and of the epoch, from 1. None if the
        finding is about the whole training.
    layer : int or None
        Number of the hidden layer, from 1.
    is_problem : bool
        False for a fact that is almost harmless by itself.
    after : str or None
        Name of the finding to solve first. It is the cause of this one, or its advice contradicts
        this one's.
    """

    name: str
    verdict: str
    advice: str
    value: float
    threshold: float
    facts: dict[str, float | str] = field(repr=False)
    step: int | None = None
    epoch: int | None = None
    layer: int | None = None
    is_problem: bool = True
    after: str | None = None


@dataclass(frozen=True, repr=False)
class Diagnosis(Report):
    """The diagnosis of one training.

    ``print`` shows it as text, and a notebook as an HTML table.

    Attributes
    ----------
    findings : tuple of Finding
        Causes come before their effects.
    unchecked : dict of str
        Names of the checks that were not possible, with the data that they need.
    n_steps, n_epochs : int
        Size of the training: number of its last step, and of its epochs.
    course : Course or None
        The data of the checks. None if the training ended before its first step.
    """

    findings: tuple[Finding, ...]
    unchecked: dict[str, str]
    n_steps: int
    n_epochs: int
    course: Course | None

    @property
    def is_healthy(self) -> bool:
        """True if no finding is a problem."""
        return not any(finding.is_problem for finding in self.findings)

    @property
    def names(self) -> list[str]:
        """Names of the findings."""
        return [finding.name for finding in self.findings]

    def _title(self) -> str:
        problems = sum(finding.is_problem and not finding.after for finding in self.findings)
        what = count(problems, "problem") if problems else "nothing wrong"
        training = f"{count(self.n_steps, 'step')} in {count(self.n_epochs, 'epoch')}"
        return f"Diagnosis of {training}: {what}"

    def _details(self) -> Iterator[Table | str]:
        rows = [
            (finding.name if finding.is_problem else f"{finding.name} (note)", *texts)
            for finding in self.findings
            for texts in [(f"{finding.verdict}.", f"{finding.advice}.")]
        ]
        if rows:
            yield Table(("finding", "evidence", "advice"), rows)
        if self.unchecked:
            yield self._not_examined()

    def __str__(self) -> str:
        lines = [self._title()]
        for finding in self.findings:
            note = "" if finding.is_problem else " (note)"
            lines += _wrapped(f"- {finding.name}{note}: {finding.verdict}.")
            lines += _wrapped(f"  Advice: {finding.advice}.")
        if self.unchecked:
            lines += _wrapped(self._not_examined())
        return "\n".join(lines)

    def _not_examined(self) -> str:
        by_need: dict[str, list[str]] = {}
        for name, needs in self.unchecked.items():
            by_need.setdefault(needs, []).append(name)
        reasons = (f"{', '.join(names)} (needs {needs})" for needs, names in by_need.items())
        return f"Not examined: {'; '.join(reasons)}."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 79, subsequent_indent="  ")


def judge(course: Course, n_steps: int) -> Diagnosis:
    """Run all checks on the course of a training."""
    findings: list[Finding] = []
    unchecked = {}
    with np.errstate(all="ignore"):
        for check in CHECKS:
            if not check.networks.include(course.network):
                unchecked[check.name] = check.networks.words
                continue
            evidence = check.evidence(course)
            if evidence is None:
                unchecked[check.name] = check.needs
            elif evidence.value >= check.threshold:
                problems = [finding.name for finding in findings if finding.is_problem]
                first = next((name for name in problems if name in check.after), None)
                findings.append(_finding(check, evidence, first))
    return Diagnosis(tuple(findings), unchecked, n_steps, course.n_epochs, course)


def without_steps(error: BaseException) -> Diagnosis:
    """Return the diagnosis of a training that an error ended before its first step."""
    kind = type(error).__name__
    evidence = Evidence(1.0, {"error": f"{kind}: {error}" if str(error) else kind})
    return Diagnosis((_finding(NO_STEP, evidence),), {}, 0, 0, None)


def _finding(check: Check, evidence: Evidence, after: str | None = None) -> Finding:
    look = evidence.since
    since = "" if look is None else f"step {look.index} (epoch {look.epoch + 1})"
    facts = {**evidence.facts, "since": since, "layer": evidence.layer}
    return Finding(
        check.name,
        check.words.format(**facts),
        f"solve {after} first" if after else check.advice.format(**facts),
        float(evidence.value),
        check.threshold,
        dict(evidence.facts),
        None if look is None else look.index,
        None if look is None else look.epoch + 1,
        evidence.layer,
        check.is_problem and not evidence.is_harmless,
        after,
    )


def diagnose(trace: Trace) -> Diagnosis:
    """Diagnose a recorded training: describe its problems in words, with numbers and advice.

    Parameters
    ----------
    trace : Trace
        A trace of one run, from ``TraceRecorder("all")``. If a trace has several runs, pass
        ``trace.run(number)``.

    Returns
    -------
    diagnosis : Diagnosis

    Raises
    ------
    TypeError
        If ``trace`` is no trace.
    ValueError
        If a variable was not recorded, or if the trace has several runs or no steps.

    See Also
    --------
    TrainingDoctor : The same during a training. It also uses the validation loss and the reason why
        the training ended, which a trace does not have.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_metabp import SGD, BackpropMLPClassifier, TraceRecorder
    >>> from sklearn_metabp.diagnostics import diagnose
    >>> X, y = load_iris(return_X_y=True)
    >>> recorder = TraceRecorder("all")
    >>> model = BackpropMLPClassifier(
    ...     (8,), update_rule=SGD(1e-5), max_iter=20, random_state=0
    ... )
    >>> model = model.set_params(n_iter_no_change=float("inf"), batch_size=30)
    >>> model = model.set_callbacks(recorder).fit(scale(X), y)
    >>> [finding.name for finding in diagnose(recorder.trace_).findings]
    ['rate too low']
    """
    check_trace(trace, "a diagnosis", NEEDS)
    runs = np.unique(trace.runs)
    if len(runs) > 1:
        raise ValueError(
            f"a diagnosis needs one training, but the trace has {len(runs)} runs: diagnose them "
            "one by one, diagnose(trace.run(number))."
        )
    observer = Observer()
    step: Any = None
    for number, (_, step) in enumerate(trace.iter_steps(int(runs[0]))):
        if observer.next_wanted(number) == number:
            observer.see(step, number)
    observer.last_index = int(step.index)
    params = np.array(step.params) + np.array(step.updates)
    losses, sizes = np.asarray(trace.losses), np.asarray(trace.n_patterns, np.float64)
    places = np.unique(trace.epochs, return_inverse=True)[1]
    with np.errstate(all="ignore"):  # the losses may overflow
        means = np.bincount(places, losses * sizes) / np.bincount(places, sizes)
    adds_updates = trace.recorded[int(runs[0])].adds_updates
    ending = Ending(takes_steps=adds_updates)
    course = course_of(observer, means, params, ending)
    return judge(course, observer.last_index)


def course_of(
    observer: Observer, epoch_losses: np.ndarray, params: np.ndarray | None, ending: Ending
) -> Course:
    """Return the course of a training from the observations and its end."""
    X, targets = observer.rows()
    if params is not None and not np.isfinite(params).all():
        params = None
    losses = np.asarray(epoch_losses, np.float64)
    return Course(
        observer.network,
        observer.looks,
        losses,
        max([observer.peak, *losses[np.isfinite(losses)]]),
        X,
        targets,
        observer.first_params,
        params,
        ending,
    )
