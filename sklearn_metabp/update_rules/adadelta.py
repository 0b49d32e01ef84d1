"""AdaDelta: steps in units of the steps before."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adadelta_step
from sklearn_metabp.update_rules.scheduled import ScheduledRule


class AdaDelta(ScheduledRule):
    r"""AdaDelta: a step by the gradient, in units of the root mean square of the steps before.

    .. math::
        v_t &= \rho v_{t-1} + (1 - \rho) g_t^2 \\
        d_t &= \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{v_t + \epsilon}} g_t \\
        u_t &= \rho u_{t-1} + (1 - \rho) d_t^2 \\
        \Delta w &= -\gamma d_t

    Parameters
    ----------
    learning_rate : float, default=1.0
        :math:`\gamma`, greater than 0; 1 in the source, which has none.
    decay : float, default=0.9
        :math:`\rho`, in [0, 1).
    epsilon : float, default=1e-6
        Under both roots: sets the size of the first steps. Greater than 0.
    schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"} or callable,
    default="constant"
        How the learning rate changes; see :doc:`/update_rules`. A callable ``(t, t_planned) ->
        factor`` gets the number of the step, from 1, and how many are planned.

    References
    ----------
    M. Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012), algorithm 1, as in A. Kordecki,
    "Neural Networks: Back-Propagation algorithm", lecture 6, and ``torch.optim.Adadelta``.

    Examples
    --------
    >>> from sklearn_metabp import AdaDelta
    >>> AdaDelta(decay=0.95)
    AdaDelta(decay=0.95)
    """

    _parameter_constraints: dict = {
        **ScheduledRule._parameter_constraints,
        "decay": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, learning_rate=1.0, decay=0.9, epsilon=1e-6, schedule="constant"):
        self.learning_rate = learning_rate
        self.decay = decay
        self.epsilon = epsilon
        self.schedule = schedule

    def init_state(self, layout):
        """Both mean squares at zero; see :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        """
        self._validate_params()
        return {"n_plateaus": 0, "square": layout.zeros(), "moved": layout.zeros()}

    def compute_update(self, step, state):
        """Step by the gradient in its units; see :meth:`UpdateRule.compute_update`."""
        adadelta_step(
            step.gradients,
            state["square"],
            state["moved"],
            step.updates,
            self.rate_at(step, state),
            self.decay,
            self.epsilon,
        )
        return step.updates
