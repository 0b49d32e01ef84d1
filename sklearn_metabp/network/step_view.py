"""A step seen with another array in the place of one of its own."""

import numpy as np

from sklearn_metabp.network.step import Step, read_only


class StepView(Step):
    """A step with buffers in the place of ``gradients``, ``updates`` or both; the rest is as it is.

    It is made once per training, for a rule within another or one that looks on, and sees the same
    arrays all along.

    Parameters
    ----------
    step : Step
        The step that is seen.
    *names : {"gradients", "updates"}
        What buffers stand in for.

    Attributes
    ----------
    buffers : dict of ndarray of shape (n_params,)
        By name, zero at first, to be filled.
    """

    def __init__(self, step, *names: str):
        self.__dict__.update(vars(step))
        self._seen, self._trial = step, None
        self.buffers = {name: np.zeros_like(getattr(step, name)) for name in names}
        if "gradients" in names:
            self.gradients = read_only(self.buffers["gradients"])
        if "updates" in names:
            self.updates = self.buffers["updates"]

    def follow(self) -> None:
        """Take over what changes from step to step."""
        step = self._seen
        self.index, self.epoch, self.loss = step.index, step.epoch, step.loss
        self.start, self.stop = step.start, step.stop
