"""Trainings that are killed, and the contents of their checkpoint files."""


class Killed(BaseException):
    """An exception that ends a fit; callbacks cannot distinguish it from a signal."""


class KillAfter:
    """A callback that raises at the end of an epoch, after the checkpoint was written."""

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def save_training(self, estimator, context, state, stopped, finished):
        if state.n_epochs == self.epoch and not finished:
            raise Killed


def nodes(node):
    """Yield all marked values of a state, from the outermost on."""
    if isinstance(node, dict):
        yield node
        for content in node.values():
            yield from nodes(content)
    elif isinstance(node, list):
        for content in node:
            yield from nodes(content)


def fields_of(header):
    """Return the fields of a training's state by name, each a pair of name and node."""
    return {name: pair for pair in header["state"]["state"]["dict"] for name in pair[:1]}
