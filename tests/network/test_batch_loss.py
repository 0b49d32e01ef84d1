"""The loss of a step's batch at other parameters, and views of a step with other arrays."""

import numpy as np
import pytest
from helpers.data import classes

from sklearn_metabp import SGD, BackpropMLPClassifier, UpdateRule
from sklearn_metabp.network import Step, StepView

SETTING = {"batch_size": 16, "max_iter": 3, "tol": 0, "n_iter_no_change": np.inf, "random_state": 0}


class Comparing(UpdateRule):
    """A rule that compares a step's loss and gradients with those of a second kernel."""

    def init_state(self, layout):
        return {"n_compared": 0}

    def compute_update(self, step, state):
        state["n_compared"] += 1
        away = step.loss_and_gradients_at(step.params + 1)[0]
        loss, gradients = step.loss_and_gradients_at(step.params)
        assert loss == step.loss != away
        np.testing.assert_array_equal(gradients, step.gradients)
        return -0.1 * step.gradients


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_step_computes_its_loss_at_other_parameters(shuffle, weighted, dtype):
    """Cases with sample weights, the penalty, shuffled rows, and a last batch that is smaller."""
    X, y = classes("multiclass", dtype=dtype)
    sample_weight = np.linspace(0.5, 2, 60) if weighted else None
    model = BackpropMLPClassifier(
        (5,), update_rule=Comparing(), alpha=0.1, shuffle=shuffle, **SETTING
    )
    model.fit(X, y, sample_weight)
    assert model._training_state.rule_state["n_compared"] == 3 * 4
    plain = BackpropMLPClassifier((5,), update_rule=SGD(0.1), alpha=0.1, shuffle=shuffle, **SETTING)
    np.testing.assert_array_equal(model.params_, plain.fit(X, y, sample_weight).params_)


def make_step():
    X, y = classes("multiclass")
    model = BackpropMLPClassifier((), update_rule=SGD(0.1), **SETTING).fit(X, y)
    params, gradients, updates = model.params_, np.arange(15.0), np.zeros(15)
    return Step(
        model.network_, params, gradients, updates, model.network_.backprop(params, updates, 1), 10
    )


def test_a_step_without_rows_is_an_error_with_the_reason():
    with pytest.raises(ValueError, match="only a step of a running training has a loss"):
        make_step().loss_and_gradients_at(np.zeros(15))


def test_a_view_refreshes_from_its_step():
    step = make_step()
    view = StepView(step, "gradients")
    view.buffers["gradients"][...] = 7
    step.index, step.epoch, step.loss, step.start, step.stop = 4, 2, 0.5, 3, 6
    view.refresh()
    assert (view.index, view.epoch, view.loss, view.n_patterns) == (4, 2, 0.5, 3)
    np.testing.assert_array_equal(view.gradients, 7)
    assert not view.gradients.flags.writeable
    np.testing.assert_array_equal(step.gradients, np.arange(15))
    assert view.updates is step.updates
    assert view.params is step.params
    both = StepView(view, "updates", "gradients")
    assert both.updates is both.buffers["updates"] is not step.updates
    assert both.gradients is not view.gradients
