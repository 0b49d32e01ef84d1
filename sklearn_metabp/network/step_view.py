"""A step seen with another array in the place of one of its own."""

import copy

import numpy as np

_OF_THE_MOMENT = ("index", "epoch", "loss", "start", "stop")


class StepView:
    """A step with a buffer in the place of ``gradients`` or ``updates``; the rest is as it is.

    One belongs to one training, whose step it sees through the same object all along, so that what is bound
    to a step once, kernels of learned rules say, stays bound. It is no part of a state that is pickled or
    copied.

    Attributes
    ----------
    buffer : ndarray of shape (n_params,)
        What stands in the place, to be filled.
    """

    def __init__(self):
        self._seen = self._view = self.buffer = None

    def of(self, step, name: str):
        """The view, brought up to date with a step.

        Parameters
        ----------
        step : Step
        name : {"gradients", "updates"}
            What the buffer stands in for.

        Returns
        -------
        view : Step
        """
        if self._seen is not step:
            self._seen, self._view = step, copy.copy(step)
            self.buffer = np.zeros_like(getattr(step, name))
            setattr(self._view, name, self.buffer)
        for attribute in _OF_THE_MOMENT:
            setattr(self._view, attribute, getattr(step, attribute))
        return self._view

    def __getstate__(self):
        return {"_seen": None, "_view": None, "buffer": None}
