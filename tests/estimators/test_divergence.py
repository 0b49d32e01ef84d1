"""A training that diverges after a good epoch keeps the weights of that epoch."""

import pickle

import numpy as np
import pytest
from helpers.data import classes, numbers
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    Checkpoint,
    DivergenceError,
    EarlyStopping,
    UpdateRule,
)

X, Y = numbers(n=100)


class Diverges(UpdateRule):
    """Momentum that is poisoned at one step."""

    def __init__(self, at=40, poison=np.nan):
        self.at, self.poison = at, poison

    def init_state(self, layout):
        return {"velocity": layout.zeros()}

    def compute_update(self, step, state):
        velocity = state["velocity"]
        velocity *= 0.5
        velocity += step.gradients
        if step.index == self.at:
            velocity[:] = self.poison
        return -0.05 * velocity


def make(rule, **setting):
    return BackpropMLPRegressor(
        (8,), "tanh", update_rule=rule, batch_size=30, random_state=0, **setting
    )


WAYS = {
    "early_stopping": lambda rule, **s: make(rule, early_stopping=True, **s),
    "callback": lambda rule, **s: make(rule, **s).set_callbacks(EarlyStopping("loss")),
}


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("way", WAYS)
def test_the_weights_of_the_best_epoch_are_kept_with_a_warning(way, poison):
    model = WAYS[way](Diverges(poison=poison))
    with pytest.warns(
        ConvergenceWarning, match="Training diverged in epoch 1[0-4], step 40.* best epoch"
    ) as w:
        model.fit(X, Y)
    assert len(w) == 1
    assert 9 <= model.n_iter_ == len(model.loss_curve_) < 20
    kept = WAYS[way](Diverges(at=np.inf), max_iter=model.n_iter_)
    with pytest.warns(ConvergenceWarning):
        kept.fit(X, Y)
    np.testing.assert_array_equal(
        model.params_, kept.params_
    )  # those of a training that ended before


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_the_divergence_is_left_in_the_training(way):
    model = WAYS[way](Diverges(), warm_start=True)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, Y)
    state = pickle.loads(pickle.dumps(model))._training_state
    assert np.isfinite(state.params).all()
    np.testing.assert_array_equal(state.params, model.params_)
    np.testing.assert_array_equal(state.rule_state["velocity"], 0)
    assert np.isfinite(model.loss_curve_).all()
    before = model.score(X, Y)
    model.set_params(update_rule__at=-1, max_iter=30, n_iter_no_change=30)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(X, Y)
    assert "diverged" not in str(caught[0].message)
    assert model.score(X, Y) > before
    model.partial_fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    "model",
    [
        make(Diverges(at=2), early_stopping=True),
        make(Diverges()),
        make(Diverges()).set_callbacks(EarlyStopping("loss", restore_best=False)),
    ],
    ids=["in the first epoch", "without early stopping", "nothing kept"],
)
def test_divergence_without_a_good_epoch_is_an_error(model):
    with pytest.raises(DivergenceError, match="Training diverged"):
        model.fit(X, Y)
    assert not hasattr(model, "params_")


def test_a_search_does_not_lose_the_fit():
    search = GridSearchCV(
        make(SGD(0.05), early_stopping=True, max_iter=30, n_iter_no_change=np.inf),
        {"update_rule": [Diverges(at=20), Diverges(at=np.inf)]},
        cv=2,
        error_score="raise",
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_stream_goes_on_from_the_best_weights():
    model = make(Diverges(at=10), early_stopping=True)
    model.partial_fit(X, Y).partial_fit(X, Y)
    with pytest.warns(ConvergenceWarning, match=r"diverged in epoch 4, step 10"):
        model.partial_fit(X, Y).partial_fit(X, Y)
    model.set_params(update_rule=Adam(0.01))
    for _ in range(5):
        model.partial_fit(X, Y)
    assert model.n_iter_ == 8
    assert np.isfinite(model.predict(X)).all()


def test_a_resumed_training_gives_the_same_warning_again(tmp_path):
    model = make(Diverges(), early_stopping=True).set_callbacks(Checkpoint(tmp_path))
    with pytest.warns(ConvergenceWarning, match="diverged") as first:
        model.fit(X, Y)
    params = model.params_
    with pytest.warns(ConvergenceWarning, match="diverged") as again:
        model.fit(X, Y)
    np.testing.assert_array_equal(model.params_, params)
    assert str(first[0].message) == str(again[0].message)


def test_a_classifier_keeps_its_best_epoch_too():
    A, b = classes("multiclass")
    model = BackpropMLPClassifier(
        (5,), update_rule=Diverges(), batch_size=10, early_stopping=True, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(A, b)
    assert model.score(A, b) > 0.5


def test_the_error_has_the_losses_of_the_epochs_before():
    """100 rows in batches of 30 are 4 steps an epoch: step 40 is the last of epoch 10."""
    until = make(Diverges(), max_iter=9, n_iter_no_change=np.inf).fit(X, Y)
    with pytest.raises(DivergenceError) as caught:
        make(Diverges(), n_iter_no_change=np.inf).fit(X, Y)
    assert caught.value.epoch == 10
    assert caught.value.loss_curve == until.loss_curve_
    assert len(caught.value.loss_curve) == 9
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.loss_curve == until.loss_curve_
    assert (str(again), again.step) == (str(caught.value), 40)


def test_the_error_of_a_first_epoch_has_no_losses():
    with pytest.raises(DivergenceError) as caught:
        make(Diverges(at=2)).fit(X, Y)
    assert caught.value.loss_curve == []
