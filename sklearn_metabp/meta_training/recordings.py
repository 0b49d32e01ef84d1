"""Recorded trainings as jobs for workers."""

from collections.abc import Mapping
from typing import Any

from sklearn_metabp.meta_training.rollout import Rollout, name_rollout_in_errors, rollout
from sklearn_metabp.meta_training.tasks import Task
from sklearn_metabp.meta_training.workers import Job
from sklearn_metabp.tracing import Trace, TraceRecorder


def training_job(
    number: int,
    start: int,
    task: Task,
    rule: Any,
    seed: int,
    recorder: Mapping[str, Any] | None = None,
) -> Job:
    """Return a job that trains a task's network.

    It returns the record, and the trace of the training: None if it was not recorded or took no
    step. A training that diverges is recorded up to that step.

    Parameters
    ----------
    number, start : int
        Numbers of the task and of the start, for errors.
    task : Task
    rule : str, UpdateRule or FrozenEstimator
    seed : int
        Seed of the training.
    recorder : dict or None
        Arguments of a :class:`TraceRecorder`, which is made where the job runs; None records
        nothing.
    """
    name = f"the training of task {number} from start {start} by {rule!r}"
    return Job(name, _train, (number, start, task, rule, seed, recorder))


def _train(
    number: int,
    start: int,
    task: Task,
    rule: Any,
    seed: int,
    recorder_params: Mapping[str, Any] | None,
) -> tuple[Rollout, Trace | None]:
    with name_rollout_in_errors(number, start):
        if recorder_params is None:
            return rollout(task, rule, seed), None
        recorder = TraceRecorder(**recorder_params)
        record = rollout(task, rule, seed, callbacks=[recorder])
        return record, recorder.own_trace_ if record.n_steps else None
