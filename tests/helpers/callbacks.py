"""Callbacks that record their calls."""

import numpy as np


class Notes:
    """A callback that records the names of its hooks as they are called, and may stop or raise.

    Parameters
    ----------
    stop_after, raise_after : int or None
        Number of the epoch (from 1) at whose end the callback returns True, or raises.
    error : exception
        The exception to raise.
    """

    def __init__(self, stop_after=None, raise_after=None, error=None):
        self.stop_after, self.raise_after, self.error = stop_after, raise_after, error
        self.calls, self.tasks, self.fitted, self.n_epochs = [], [], [], 0

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        self.fitted.append((fitted_estimator, X, y))
        if context.task_name != "epoch":
            return False
        self.n_epochs += 1
        if self.n_epochs == self.raise_after:
            raise self.error
        return self.n_epochs == self.stop_after


class StepNotes(Notes):
    """A callback that copies the values of every step."""

    def __init__(self, raise_at_step=None, error=None):
        super().__init__()
        self.steps, self.raise_at_step, self.step_error = [], raise_at_step, error

    def on_step_end(self, estimator, context, step):
        names = ("activations", "net_inputs", "derivatives", "deltas", "coefs", "intercepts")
        flat = ("params", "gradients", "updates", "outputs", "targets", "dropout")
        note = {name: [np.array(a) for a in getattr(step, name)] for name in names}
        note |= {name: np.array(getattr(step, name)) for name in flat}
        note |= {
            name: getattr(step, name)
            for name in ("index", "epoch", "loss", "n_patterns", "n_planned", "steps_per_epoch")
        }
        self.steps.append(note)
        if step.index == self.raise_at_step:
            raise self.step_error


class StepCounter(Notes):
    """A callback that receives every step."""

    def __init__(self):
        super().__init__()
        self.n_steps = 0

    def on_step_end(self, estimator, context, step):
        self.n_steps += 1


class SomeSteps(StepNotes):
    """A callback that receives one step in so many, and no epochs."""

    skips_epochs = True

    def __init__(self, every, **params):
        super().__init__(**params)
        self.every = every

    def next_step(self, estimator, index):
        return index + (1 - index) % self.every


class Interruption(Notes):
    """A callback that raises KeyboardInterrupt at the end of a step, like Ctrl-C."""

    def __init__(self, at_step):
        super().__init__()
        self.at_step = at_step

    def on_step_end(self, estimator, context, step):
        if step.index == self.at_step:
            raise KeyboardInterrupt
