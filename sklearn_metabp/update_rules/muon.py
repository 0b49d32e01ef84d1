"""Orthogonalised momentum for weight matrices, and AdamW for the other parameters."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval

from sklearn_metabp._kernels.rules import adam_step, momentum_step
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.decaying import DecayingRule
from sklearn_metabp.update_rules.norms import safe_norm
from sklearn_metabp.update_rules.schedules import Schedule

# The coefficients of a x + b x^3 + c x^5. Five iterations bring singular values from (0, 1] near 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon(DecayingRule):
    r"""Muon: the step of a weight matrix is its orthogonalised momentum.

    For a weight matrix with gradient :math:`G_t`:

    .. math::
        B_t &= \mu B_{t-1} + G_t, \qquad
        X_0 = \frac{\tilde B_t}{\lVert \tilde B_t \rVert_F}, \quad \tilde B_t = G_t + \mu B_t \\
        X_{k+1} &= a X_k + b (X_k X_k^\top) X_k + c (X_k X_k^\top)^2 X_k \\
        \Delta W &= -\gamma \sqrt{\max(1, n_{out} / n_{in})} \; X_5 - \gamma \lambda W

    with :math:`(a, b, c) = (3.4445, -4.7750, 2.0315)`. This Newton-Schulz iteration brings the
    singular values near 1 and does not change the singular vectors, so all directions of a matrix
    learn at the same rate. Without ``nesterov``, :math:`\tilde B_t = B_t`.

    As in the source, :class:`AdamW` with its own learning rate trains the biases and the matrix of
    the output layer, and all parameters of a network without hidden layers. The source also leaves
    out the first layer of language models, which looks up vectors. In this package the inputs are
    numbers, so the first matrix is treated like the others.

    Parameters
    ----------
    learning_rate : float, default=0.02
        :math:`\gamma` of the orthogonal steps, greater than 0.
    momentum : float, default=0.95
        :math:`\mu`, in [0, 1).
    nesterov : bool, default=True
        If True, look ahead along the momentum.
    n_iterations : int, default=5
        Number of iterations for each step, 1 or more.
    weight_decay : float, default=0.01
        :math:`\lambda`, at least 0. All weights decay, not biases.
    adamw_learning_rate : float, default=0.001
        Learning rate of the biases and the output layer, greater than 0. The schedule changes both
        rates.
    beta_1 : float, default=0.9
        Decay of the mean in AdamW's rule, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the mean square in AdamW's rule, in [0, 1).
    epsilon : float, default=1e-8
        A number greater than 0 that keeps the quotient in AdamW's rule finite.
    schedule : str or callable, default="constant"
        Schedule of the learning rate: ``"constant"``, ``"invscaling"``, ``"adaptive"``,
        ``"cosine"``, ``"one_cycle"``, ``"flat_cosine"``, ``"coslog4"``, or a function
        ``(t, t_planned) -> factor`` of the number of the step, from 1, and the number of planned
        steps. See :doc:`/update_rules`.
    decay_epochs : float, default=None
        The decay in another unit, in place of ``weight_decay``: the number of epochs in which the
        decay, without gradients, would divide a weight by e. With M steps per epoch,
        :math:`\gamma \lambda = 1 - e^{-1 / (\text{decay\_epochs} \cdot M)}`. The decay then does
        not depend on the learning rate or the batch size. The schedule multiplies it as it
        multiplies :math:`\gamma`.
    cautious : bool, default=False
        If True, a weight decays only in steps whose update, without the decay, does not make it
        larger.
    decay_schedule : str or callable, default="constant"
        Schedule of :math:`\lambda`, in addition to ``schedule``: one of the same names except
        ``"adaptive"``, or a function.

    See Also
    --------
    AdamW : Adam with a decay of the weights beside the step.
    Lion : Steps by the sign of a mean of gradients.
    Averaged : Wrapper that keeps a running mean of the weights.

    References
    ----------
    K. Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024),
    kellerjordan.github.io/posts/muon. The steps of the matrices are those of ``torch.optim.Muon``,
    which iterates in bfloat16. This rule iterates in the dtype of the parameters. For ``cautious``
    and ``decay_epochs`` see :class:`AdamW`.

    Examples
    --------
    >>> from sklearn_metabp import BackpropMLPClassifier, Muon
    >>> BackpropMLPClassifier((64, 64), update_rule=Muon(schedule="cosine")).update_rule
    Muon(schedule='cosine')
    """

    _parameter_constraints: dict = {
        **DecayingRule._parameter_constraints,
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "n_iterations": [Interval(Integral, 1, None, closed="left")],
        "adamw_learning_rate": [Interval(Real, 0, None, closed="neither")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        learning_rate: float = 0.02,
        momentum: float = 0.95,
        nesterov: bool = True,
        n_iterations: int = 5,
        weight_decay: float = 0.01,
        adamw_learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        schedule: str | Schedule = "constant",
        decay_epochs: float | None = None,
        cautious: bool = False,
        decay_schedule: str | Schedule = "constant",
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.n_iterations = n_iterations
        self.weight_decay = weight_decay
        self.adamw_learning_rate = adamw_learning_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.schedule = schedule
        self.decay_epochs = decay_epochs
        self.cautious = cautious
        self.decay_schedule = decay_schedule

    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the momentum and both moments at zero. See :meth:`UpdateRule.init_state`.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or both ``weight_decay`` and ``decay_epochs`` are
            given.
        """
        self._validate_params()
        n_hidden = _n_hidden_weights(layout)
        rest = layout.n_params - n_hidden
        return {
            "n_plateaus": 0,
            "t": 0,
            "velocity": np.zeros(n_hidden, layout.dtype),
            "mean": np.zeros(rest, layout.dtype),
            "square": np.zeros(rest, layout.dtype),
        }

    def compute_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute orthogonal steps and AdamW's. See :meth:`UpdateRule.compute_update`."""
        state["t"] += 1
        rate = self.rate_at(step, state)
        n_hidden = len(state["velocity"])
        if n_hidden:
            self._step_hidden(step, state, rate, n_hidden)
        self._step_rest(step, state, rate / self.learning_rate, n_hidden)
        return step.updates

    def _step_hidden(self, step: Step, state: dict[str, Any], rate: float, n_hidden: int) -> None:
        # momentum_step writes minus the rate times the direction, so the rate -1 gives the
        # direction.
        updates, gradients = step.updates[:n_hidden], step.gradients[:n_hidden]
        momentum_step(gradients, state["velocity"], updates, -1.0, self.momentum, self.nesterov)
        for tensor in step.layout.tensors:  # weight matrices come first, in the order of the layers
            if tensor.slice.stop > n_hidden:
                break
            direction = updates[tensor.slice]
            fan_in, fan_out = tensor.shape
            scale = -rate * max(1.0, fan_out / fan_in) ** 0.5
            matrix = orthogonal(direction.reshape(tensor.shape), self.n_iterations)
            np.multiply(matrix, scale, out=direction.reshape(tensor.shape))
        self.bind_decay(step, slice(n_hidden))(rate, rate / self.learning_rate)

    def _step_rest(self, step: Step, state: dict[str, Any], factor: float, n_hidden: int) -> None:
        rate = factor * self.adamw_learning_rate
        updates = step.updates[n_hidden:]
        adam_step(
            step.gradients[n_hidden:],
            state["mean"],
            state["square"],
            updates,
            rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            state["t"],
        )
        self.bind_decay(step, slice(n_hidden, step.layout.n_weights))(rate, factor)


@np.errstate(all="ignore")  # the loop finds numbers that overflow
def orthogonal(matrix: np.ndarray, n_iterations: int) -> np.ndarray:
    """Return a matrix with the same singular vectors and singular values near 1.

    It is computed by the Newton-Schulz iteration.

    Parameters
    ----------
    matrix : ndarray of shape (n, m), C-contiguous
    n_iterations : int

    Returns
    -------
    near : ndarray of shape (n, m)
        Zeros for a matrix of zeros.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    vector, length = safe_norm(matrix.reshape(-1))
    X = (vector / (length or 1.0)).reshape(matrix.shape)
    if is_tall:  # so that the Gram matrix has the size of the shorter side
        X = X.T
    for _ in range(n_iterations):
        gram = X @ X.T
        X = _A * X + (_B * gram + _C * (gram @ gram)) @ X
    return X.T if is_tall else X


def _n_hidden_weights(layout: ParameterLayout) -> int:
    """Return the number of weights of all matrices except the last one."""
    fan_in, fan_out = layout.layer_sizes[-2:]
    return layout.n_weights - fan_in * fan_out
