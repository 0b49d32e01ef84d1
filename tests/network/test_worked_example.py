"""The worked example of two lectures, number by number.

P. Musilek, "NN-4 Backpropagation Training", and A. Kordecki, "Neural Networks: Back-Propagation
algorithm", lecture 6: three inputs, two hidden and two output units, all logistic, one pattern, half
the sum of squared errors, learning rate 0.01. Biases are shared by a layer there: theirs is the sum
of ours. Where the lectures calculate with rounded numbers or drop terms, the full sums stand here.
"""

import numpy as np
import pytest
from helpers.callbacks import StepNotes
from sklearn.exceptions import ConvergenceWarning

from sklearn_metabp import SGD, BackpropMLPRegressor

X = np.array([[1.0, 4.0, 5.0]])
T = np.array([[0.1, 0.05]])
COEFS = [np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), np.array([[0.7, 0.8], [0.9, 0.1]])]
INTERCEPTS = [np.array([0.5, 0.5]), np.array([0.5, 0.5])]
PARAMS = np.concatenate([a.ravel() for a in (*COEFS, *INTERCEPTS)])

NET_INPUTS = [[4.3, 5.3], [2.0862, 1.3888]]
ACTIVATIONS = [[0.9866, 0.9950], [0.8896, 0.8004]]
ERRORS = [0.7896, 0.7504]  # y - t
SLOPES = [[0.0132, 0.0049], [0.0983, 0.1598]]
LOSS = 0.5932  # the lectures' 0.5933 is half of 0.7896^2 + 0.7504^2
LOSS_BY_HIDDEN = [0.1502, 0.0818]  # dE/dy4, dE/dy5
GRADIENTS = [
    [[0.0020, 0.0004], [0.0079, 0.0016], [0.0099, 0.0020]],
    [[0.0765, 0.1183], [0.0772, 0.1193]],
]
SHARED_BIASES = [0.0024, 0.1975]  # dE/db1 is 0.0008 in the lectures, which drop two of four paths
NEW_COEFS = [
    [[0.1000, 0.2000], [0.2999, 0.4000], [0.4999, 0.6000]],
    [[0.6992, 0.7988], [0.8992, 0.0988]],  # w75: 0.9881 in the second lecture
]
NEW_SHARED_BIASES = [0.5000, 0.4980]


def expect(actual, printed):
    """Equal to the four decimals printed."""
    np.testing.assert_array_equal(np.round(np.asarray(actual, float), 4), printed)


def split(params):
    return params[:6].reshape(3, 2), params[6:10].reshape(2, 2), params[10:12], params[12:]


def test_kernel_computes_the_lectures_numbers(kernels):
    gradients = np.zeros(14)
    backprop = kernels.Backprop(
        (3, 2, 2), ("logistic",), "logistic", "squared_error", PARAMS.copy(), gradients, max_batch=1
    )
    backprop.load(X, T)

    expect(backprop.gradients(0, 1), LOSS)
    expect(backprop.activations[1][0], ACTIVATIONS[0])
    expect(backprop.activations[2][0], ACTIVATIONS[1])
    expect(backprop.activations[2][0] - T[0], ERRORS)
    expect(backprop.deltas[1] @ COEFS[1].T, -np.array([LOSS_BY_HIDDEN]))
    hidden, output, hidden_biases, output_biases = split(gradients)
    expect(hidden, GRADIENTS[0])
    expect(output, GRADIENTS[1])
    expect([hidden_biases.sum(), output_biases.sum()], SHARED_BIASES)


@pytest.mark.parametrize("batch_size", [1, "full"])
def test_one_epoch_of_the_estimator_makes_the_lectures_step(batch_size):
    notes = StepNotes()
    model = BackpropMLPRegressor(
        (2,),
        "logistic",
        out_activation="logistic",
        update_rule=SGD(learning_rate=0.01),
        alpha=0.0,
        batch_size=batch_size,
        max_iter=1,
    ).set_callbacks(notes)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, T, coef_init=COEFS, intercept_init=INTERCEPTS)

    (step,) = notes.steps
    for layer in range(2):
        expect(step["net_inputs"][layer][0], NET_INPUTS[layer])
        expect(step["activations"][layer + 1][0], ACTIVATIONS[layer])
        expect(step["derivatives"][layer][0], SLOPES[layer])
        expect(model.coefs_[layer], NEW_COEFS[layer])
    expect(step["loss"], LOSS)
    expect(model.loss_curve_, [LOSS])
    moves = [(new - 0.5).sum() for new in model.intercepts_]
    expect(0.5 + np.array(moves), NEW_SHARED_BIASES)
