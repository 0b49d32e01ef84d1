"""
A rule of your own
==================

Write an update rule in ten lines of NumPy, and search its learning rate as that of any
other rule.

An update rule is a class with two methods. One method makes the memory of the rule
before the first step, the other computes a step. In this example the step of
backpropagation is divided by the running size of the gradient of each layer, so all
layers move at a similar speed. The rule trains as any other does, in pipelines and
searches too.
"""

# %%
# The rule
# --------
# ``layout.tensors`` has the weight matrices and bias vectors. Each is a slice of the
# flat arrays of a step.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split

from sklearn_metabp import SGD, Adam, BackpropMLPClassifier, UpdateRule
from sklearn_metabp.plotting import LossCurveDisplay, figure_style

plt.style.use(figure_style())
warnings.simplefilter(
    "ignore", ConvergenceWarning
)  # trainings that fail are part of the picture


class LayerwiseSGD(UpdateRule):
    """Backpropagation with gradients over their running root mean squares."""

    def __init__(self, learning_rate=0.01, decay=0.99):
        self.learning_rate = learning_rate
        self.decay = decay

    def init_state(self, layout):
        """Return mean squares of zero, one per tensor."""
        return np.zeros(len(layout.tensors))

    def compute_update(self, step, mean_squares):
        """Return minus the learning rate times the gradient over its size."""
        for number, tensor in enumerate(step.layout.tensors):
            gradient = step.gradients[tensor.slice]
            share = 1 - self.decay if step.index > 1 else 1.0
            mean_squares[number] += share * (
                np.mean(gradient**2) - mean_squares[number]
            )
            size = np.sqrt(mean_squares[number]) + 1e-8
            step.updates[tensor.slice] = -self.learning_rate * gradient / size
        return step.updates


# %%
# Training and searching
# ----------------------
# The parameters of the rule are nested parameters of the estimator.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, random_state=0, stratify=y
)


def network(rule):
    """Return an untrained network of two hidden layers."""
    return BackpropMLPClassifier(
        (64, 32),
        update_rule=rule,
        batch_size=50,
        max_iter=20,
        n_iter_no_change=np.inf,
        random_state=0,
    )


rates = {"update_rule__learning_rate": [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3]}
fitted = {}
for name, rule in {
    "SGD": SGD(),
    "Adam": Adam(),
    "layer by layer": LayerwiseSGD(),
}.items():
    search = GridSearchCV(network(rule), rates, cv=3, scoring="neg_log_loss").fit(
        X_train, y_train
    )
    fitted[name] = search.best_estimator_
    rate = search.best_params_["update_rule__learning_rate"]
    accuracy = fitted[name].score(X_test, y_test)
    loss = -search.best_score_
    print(
        f"{name:<15} rate {rate:<7g} validation loss {loss:.3f}, "
        f"test accuracy {accuracy:.3f}"
    )

# %%
# The curves
# ----------

display = LossCurveDisplay.from_estimator(*fitted.values(), names=list(fitted))
display.ax_.set_title("The new rule trains the digits, a little behind SGD and Adam")
plt.show()
