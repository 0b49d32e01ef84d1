"""The worked example of two lectures on backpropagation: its network, its numbers and its slips.

The lectures are P. Musilek, "NN-4 Backpropagation Training", and A. Kordecki, "Neural Networks:
Back-Propagation algorithm", lecture 6. Their network has three inputs, two hidden neurons and two
output neurons, all logistic. It takes one step on one pattern, with half the sum of squared errors
and the learning rate 0.01. The lectures share one bias in every layer. The network here has one
bias per neuron, and the derivative by a shared bias is the sum of the derivatives by these.
"""

from typing import NamedTuple

import numpy as np

from sklearn_metabp import SGD, BackpropMLPRegressor, Trace, TraceRecorder

X = np.array([[1.0, 4.0, 5.0]])
TARGETS = np.array([[0.1, 0.05]])
COEFS = [np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), np.array([[0.7, 0.8], [0.9, 0.1]])]
SHARED_BIASES = [0.5, 0.5]
LEARNING_RATE = 0.01

LECTURES = ("Musilek", "Kordecki")


class Number(NamedTuple):
    """A quantity of the worked example and its printed value in each lecture, None where absent.

    ``name`` is the name in the first lecture, where ``w64`` leads from neuron 4 to neuron 6.
    ``other_name`` is the name in the second lecture.
    """

    name: str
    other_name: str
    musilek: str | None
    kordecki: str | None

    @property
    def printed(self) -> dict[str, str]:
        """The printed values, by lecture."""
        both = zip(LECTURES, (self.musilek, self.kordecki), strict=True)
        return {lecture: text for lecture, text in both if text is not None}


NUMBERS = (
    Number("v4", "v1(1)", "4.3", "4.3"),
    Number("y4", "y1(1)", "0.9866", "0.9866"),
    Number("v5", "v2(1)", "5.3", "5.3"),
    Number("y5", "y2(1)", "0.9950", "0.9950"),
    Number("v6", "v1(2)", "2.0862", "2.0862"),
    Number("y6", "y1(2)", "0.8896", "0.8896"),
    Number("v7", "v2(2)", "1.3888", "1.3888"),
    Number("y7", "y2(2)", "0.8004", "0.8004"),
    Number("E", "E", "0.5933", "0.5933"),
    Number("t1 - y6", "e1", None, "-0.7896"),
    Number("t2 - y7", "e2", None, "-0.7504"),
    Number("∂E/∂y6", "-e1", "0.7896", None),
    Number("∂E/∂y7", "-e2", "0.7504", None),
    Number("∂y6/∂v6", "dy1(2)/dv1(2)", "0.0983", None),
    Number("∂y7/∂v7", "dy2(2)/dv2(2)", "0.1598", None),
    Number("δ6", "δ1(2)", None, None),
    Number("δ7", "δ2(2)", None, None),
    Number("∂E/∂w64", "dE/dw1,1(1)", "0.0765", "0.0765"),
    Number("∂E/∂w74", "dE/dw1,2(1)", "0.1183", "0.1183"),
    Number("∂E/∂w65", "dE/dw2,1(1)", "0.0772", "0.0772"),
    Number("∂E/∂w75", "dE/dw2,2(1)", "0.1193", "0.1193"),
    Number("∂E/∂b2", "dE/dw0(1)", "0.1975", "0.1974"),
    Number("∂E/∂y4", "dE/dy1(1)", "0.1502", "0.1502"),
    Number("∂E/∂y5", "dE/dy2(1)", "0.0818", "0.0818"),
    Number("∂y4/∂v4", "dy1(1)/dv1(1)", "0.0132", "0.0132"),
    Number("∂y5/∂v5", "dy2(1)/dv2(1)", "0.0049", "0.0050"),
    Number("δ4", "δ1(1)", None, None),
    Number("δ5", "δ2(1)", None, None),
    Number("∂E/∂w41", "dE/dw1,1(0)", "0.0020", "0.0020"),
    Number("∂E/∂w42", "dE/dw2,1(0)", "0.0079", "0.0079"),
    Number("∂E/∂w43", "dE/dw3,1(0)", "0.0099", "0.0099"),
    Number("∂E/∂w51", "dE/dw1,2(0)", "0.0004", "0.0004"),
    Number("∂E/∂w52", "dE/dw2,2(0)", "0.0016", "0.0016"),
    Number("∂E/∂w53", "dE/dw3,2(0)", "0.0020", "0.0020"),
    Number("∂E/∂b1", "dE/dw0(0)", "0.0008", "0.0008"),
    Number("new w41", "new w1,1(0)", "0.1000", None),
    Number("new w51", "new w1,2(0)", "0.2000", None),
    Number("new w42", "new w2,1(0)", "0.2999", None),
    Number("new w52", "new w2,2(0)", "0.4000", None),
    Number("new w43", "new w3,1(0)", "0.4999", None),
    Number("new w53", "new w3,2(0)", "0.6000", None),
    Number("new w64", "new w1,1(1)", "0.6992", None),
    Number("new w74", "new w1,2(1)", "0.7988", None),
    Number("new w65", "new w2,1(1)", "0.8992", "0.8992"),
    Number("new w75", "new w2,2(1)", "0.0988", "0.9881"),
    Number("new b1", "new w0(0)", "0.5000", "0.5000"),
    Number("new b2", "new w0(1)", "0.4980", "0.4980"),
)


class Slip(NamedTuple):
    """A number with an error in a lecture, and the correct number to as many decimals."""

    lecture: str
    name: str
    right: str
    why: str


_LOSS = "half of 0.7896² + 0.7504²: the errors were rounded before they were squared"
_SHARED_BIAS = "two of the four paths, through w74 and through w65, are left out of the sum"
SLIPS = (
    Slip("Musilek", "E", "0.5932", _LOSS),
    Slip("Kordecki", "E", "0.5932", _LOSS),
    Slip(
        "Kordecki",
        "∂E/∂b2",
        "0.1975",
        "the outputs were rounded before; its own update takes 0.1975",
    ),
    Slip("Kordecki", "∂y5/∂v5", "0.0049", "0.9950 (1 - 0.9950), where 0.9950 is rounded"),
    Slip("Musilek", "∂E/∂b1", "0.0024", _SHARED_BIAS),
    Slip("Kordecki", "∂E/∂b1", "0.0024", _SHARED_BIAS),
    Slip("Kordecki", "new w75", "0.0988", "0.1 - 0.01 · 0.1193: a misprint"),
)

# Defaults of update rules in the second lecture.
PARAMETERS = {
    "Rprop": {"increase": 1.2, "decrease": 0.5},
    "AdaDelta": {"decay": 0.9},
    "RMSprop": {"decay": 0.9, "learning_rate": 0.001},
    "Adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
}


def network(update_rule=None, *, max_iter=1, batch_size=1) -> BackpropMLPRegressor:
    """Return the untrained network of both lectures; they calculate one step of its training."""
    return BackpropMLPRegressor(
        (2,),
        "logistic",
        loss="squared_error",
        out_activation="logistic",
        update_rule=update_rule or SGD(learning_rate=LEARNING_RATE),
        alpha=0.0,
        batch_size=batch_size,
        max_iter=max_iter,
        n_iter_no_change=np.inf,
    )


def fit(model: BackpropMLPRegressor) -> BackpropMLPRegressor:
    """Train from the lectures' weights on the lectures' pattern."""
    biases = [np.full(2, shared) for shared in SHARED_BIASES]
    return model.fit(X, TARGETS, coef_init=COEFS, intercept_init=biases)


def record(model: BackpropMLPRegressor) -> Trace:
    """Train, and return the trace with all variables of every step."""
    recorder = TraceRecorder("all")
    fit(model.set_callbacks(recorder))
    return recorder.trace_


def quantities(trace: Trace) -> dict[str, float]:
    """Return the value of every quantity in ``NUMBERS`` at the first step of a trace, by name.

    Deltas are minus the derivative of the loss by the net input. So δ is positive where the output
    of the neuron is too small.
    """
    layout, biases = trace.layouts[0], zip((1, 2), SHARED_BIASES, strict=True)
    net_inputs, outputs, slopes, deltas = (
        [layer[0, 0] for layer in layers]
        for layers in (trace.net_inputs, trace.activations[1:], trace.derivatives, trace.deltas)
    )
    errors = trace.targets[0, 0] - outputs[1]
    back = -layout.coefs(trace.params[0])[1] @ deltas[1]
    gradients, bias_gradients = (
        layout.coefs(trace.gradients[0]),
        layout.intercepts(trace.gradients[0]),
    )
    new_coefs, bias_updates = (
        layout.coefs(trace.params[0] + trace.updates[0]),
        layout.intercepts(trace.updates[0]),
    )
    values = (
        {"E": trace.losses[0], "t1 - y6": errors[0], "t2 - y7": errors[1]}
        | _by_neuron("v{}", net_inputs)
        | _by_neuron("y{}", outputs)
        | _by_neuron("∂y{0}/∂v{0}", slopes)
        | _by_neuron("δ{}", deltas)
        | _by_neuron("∂E/∂y{}", [back, -errors])
        | by_link("∂E/∂w{}{}", gradients)
        | {f"∂E/∂b{n}": gradient.sum() for n, gradient in enumerate(bias_gradients, 1)}
        | by_link("new w{}{}", new_coefs)
        | {f"new b{n}": bias + bias_updates[n - 1].sum() for n, bias in biases}
    )
    return {name: float(value) for name, value in values.items()}


def _by_neuron(name: str, layers) -> dict[str, float]:
    """Name the values of neurons 4 and 5, which are hidden, and of the output neurons 6 and 7."""
    return dict(zip(map(name.format, (4, 5, 6, 7)), np.concatenate(layers), strict=True))


def by_link(name: str, matrices) -> dict[str, float]:
    """Name the weights by the neuron they lead to and the neuron or input 1 to 3 they come from."""
    hidden, output = map(np.ndenumerate, matrices)
    to_hidden = {name.format(4 + h, 1 + i): w for (i, h), w in hidden}
    to_output = {name.format(6 + o, 4 + h): w for (h, o), w in output}
    return to_hidden | to_output


def rounded(value: float, like: str) -> str:
    """Return a value with as many decimals as a printed number has."""
    return f"{value:.{len(like.partition('.')[2])}f}"
