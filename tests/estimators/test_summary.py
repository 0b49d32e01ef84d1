"""The description of a fitted network."""

import pickle
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.exceptions import NotFittedError

from sklearn_metabp import SGD, BackpropMLPClassifier, BackpropMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fitted(**params):
    X, y = classes("multiclass", n=50, seed=1)
    params = {"batch_size": 16, "max_iter": 3, "random_state": 0} | params
    return BackpropMLPClassifier((7, 5), ["tanh", "relu"], **params).fit(X, y)


def test_the_text_by_hand():
    model = fitted(dropout=0.25)
    assert (
        str(model.summary())
        == f"""\
BackpropMLPClassifier 4-7-5-3, 93 parameters

layer     neurons  function  weights  biases  parameters
input           4
hidden 1        7  tanh      4x7      7               35
hidden 2        5  relu      7x5      5               40
output          3  softmax   5x3      3               18

dtype        float64, 744 bytes
loss         log_loss, alpha=0.0001, dropout=0.25
update rule  Adam()
epoch        50 rows in batches of 16, 4 steps
trained      3 epochs, 12 steps, loss {model.loss_curve_[-1]:.4g} in the last epoch"""
    )
    assert repr(model.summary()) == str(model.summary())


@pytest.mark.parametrize(
    ("params", "epoch"),
    [
        ({"batch_size": "full"}, "50 rows in batches of 50, 1 step"),
        ({"batch_size": 1}, "50 rows in batches of 1, 50 steps"),
        ({"update_rule": "lbfgs", "batch_size": "auto"}, "50 rows in batches of 50, 1 step"),
        ({"early_stopping": True, "validation_fraction": 0.2}, "40 rows in batches of 16, 3 steps"),
    ],
    ids=str,
)
def test_the_steps_of_an_epoch(params, epoch):
    model = fitted(**params)
    assert model.summary().facts["epoch"] == epoch
    trained = model.summary().facts["trained"]
    assert trained.startswith(f"{model.n_iter_} epochs, {model._training_state.n_steps} steps")


@pytest.mark.parametrize("n_members", [1, 2])
def test_label_smoothing_is_that_of_the_last_fit(n_members):
    model = fitted(label_smoothing=0.1, n_members=n_members)
    model.set_params(label_smoothing=0.2)
    assert model.summary().facts["loss"] == "log_loss, alpha=0.0001, label_smoothing=0.1"
    assert "label_smoothing=0.1" in str(pickle.loads(pickle.dumps(model)).summary())
    X, y = classes("multiclass", n=50, seed=1)
    assert "label_smoothing=0.2" in model.partial_fit(X, y).summary().facts["loss"]
    assert "label_smoothing" not in str(fitted(n_members=n_members).summary())


def test_the_numbers_are_those_of_the_layout():
    X, y = numbers(2, n=30, dtype=np.float32)
    model = BackpropMLPRegressor((300, 200), max_iter=1, update_rule=SGD(0.01)).fit(X, y)
    summary = model.summary()
    assert summary.n_params == len(model.params_) == sum(layer.n_params for layer in summary.layers)
    assert [layer.weights for layer in summary.layers[1:]] == [(w.shape,) for w in model.coefs_]
    assert [layer.biases for layer in summary.layers[1:]] == [(b.shape,) for b in model.intercepts_]
    assert summary.facts["dtype"] == "float32, 248 kB"
    assert summary.facts["update rule"] == "SGD()"
    assert summary.facts["trained"].startswith("1 epoch, 1 step, ")


def test_a_stream_counts_its_last_call():
    X, y = classes("multiclass", n=50, seed=1)
    model = BackpropMLPClassifier((3,), batch_size=10, random_state=0)
    model.partial_fit(X, y, classes=np.unique(y)).partial_fit(X[:20], y[:20])
    assert model.summary().facts["epoch"] == "20 rows in batches of 10, 2 steps"
    assert model.summary().facts["trained"].startswith("2 epochs, 7 steps")
    assert str(pickle.loads(pickle.dumps(model)).summary()) == str(model.summary())


class Cells(HTMLParser):
    """The texts of all cells and captions; fails where a tag is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th", "caption"):
            self.texts.append(data)


def test_the_html_has_the_same_and_escapes_names():
    class Rule(SGD):
        def __repr__(self):
            return "Rule(<b>'fast' & \n   \"loose\"</b>)"

    model = fitted(update_rule=Rule())
    parser = Cells()
    parser.feed(model.summary()._repr_html_())
    assert not parser.open
    text = str(model.summary())
    for found in parser.texts:
        assert found in text
    assert "Rule(<b>'fast' & \"loose\"</b>)" in parser.texts
    assert {"7x5", "40", "softmax", "float64, 744 bytes"} <= set(parser.texts)


def test_before_fit_it_says_what_to_do():
    with pytest.raises(NotFittedError, match=r"BackpropMLPRegressor is not fitted yet, .*call fit"):
        BackpropMLPRegressor().summary()


def test_a_model_of_an_earlier_version_has_no_line_on_its_epochs():
    model = fitted()
    del model._fit_size
    assert "epoch" not in model.summary().facts
