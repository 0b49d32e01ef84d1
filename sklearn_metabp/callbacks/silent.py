"""What scikit-learn's callback protocol asks of every callback, done by doing nothing."""


class SilentCallback:
    """A callback that the hooks of scikit-learn's protocol tell nothing; subclasses add the hooks of ours."""

    def setup(self, estimator, context):
        """Before a fit."""

    def on_fit_task_begin(self, estimator, context):
        """Before a fit and each of its epochs."""

    def on_fit_task_end(self, estimator, context):
        """After a fit and each of its epochs."""

    def teardown(self, estimator, context):
        """After a fit, however it ended."""
