import hashlib
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sklearn_metabp import Adam, Averaged, BackpropMLPClassifier, BackpropMLPRegressor, Safeguarded
from sklearn_metabp.pretrained import PRETRAINED, RECOMMENDED, load_pretrained, read_provenance
from sklearn_metabp.pretrained.recipes import RECIPES


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_numbers_are_those_of_the_provenance(name):
    rule, provenance = load_pretrained(name), read_provenance(name)
    assert hashlib.sha256(rule.meta_params_.tobytes()).hexdigest() == provenance["sha256"]
    assert provenance["name"] == name and name in provenance["command"]


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_provenance_is_the_recipe(name):
    recipe, provenance = RECIPES[name], read_provenance(name)
    assert provenance["inputs"] == list(recipe.inputs) == list(load_pretrained(name).inputs_)
    plans = [plan for stage in recipe.stages for plan in stage]
    assert len(plans) == len(provenance["searches"])
    for plan, search in zip(plans, provenance["searches"], strict=True):
        assert search["random_state"] == plan.random_state
        assert search["n_rollouts"] == 2 * plan.n_pairs * plan.n_iterations
        assert search["n_iterations"] == plan.n_iterations
        assert search["learning_rate"] == plan.learning_rate
    assert provenance["n_rollouts"] == sum(one["n_rollouts"] for one in provenance["searches"])


@pytest.mark.parametrize("name", PRETRAINED)
def test_no_two_searches_share_tasks(name):
    seeds = [plan.random_state for stage in RECIPES[name].stages for plan in stage]
    assert len(set(seeds)) == len(seeds)


def test_the_recommended_rule_is_update_rule_learned():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    options = {"max_iter": 5, "random_state": 3, "n_iter_no_change": np.inf}
    by_name = BackpropMLPRegressor((8,), update_rule="learned", **options).fit(X, y)
    by_rule = BackpropMLPRegressor((8,), update_rule=load_pretrained(RECOMMENDED), **options)
    np.testing.assert_array_equal(by_name.params_, by_rule.fit(X, y).params_)
    assert by_name.update_rule_.scope_ == "layer"


@pytest.mark.parametrize("name", PRETRAINED)
def test_it_lowers_the_loss_more_than_adam_at_its_default(name):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    options = {"max_iter": 30, "n_iter_no_change": np.inf, "batch_size": 64, "random_state": 1}
    adam = BackpropMLPClassifier((32,), update_rule=Adam(0.001), **options)
    learned = BackpropMLPClassifier((32,), update_rule=load_pretrained(name), **options)
    adam, learned = (cross_val_score(one, X, y, scoring="neg_log_loss") for one in (adam, learned))
    if name == "fit":  # it has no regard to other rows
        fits = [
            BackpropMLPClassifier((32,), update_rule=rule, **options).fit(X, y).loss_
            for rule in (Adam(0.001), load_pretrained(name))
        ]
        assert fits[1] < 0.5 * fits[0]
    else:
        assert learned.mean() > adam.mean()


def test_a_call_returns_a_rule_of_its_own():
    first, second = load_pretrained("fit"), load_pretrained("fit")
    first.set_params(random_state=7)
    assert first is not second and second.random_state is None


def test_it_composes():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(
        StandardScaler(),
        BackpropMLPClassifier((8,), update_rule="learned", max_iter=20, n_iter_no_change=np.inf),
    )
    grid = {"backpropmlpclassifier__update_rule": ["learned", Averaged("learned"), "adam"]}
    search = GridSearchCV(clone(model), grid, cv=2, error_score="raise")
    assert search.fit(X, y).score(X, y) > 0.8
    fitted = model.fit(X, y)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict_proba(X), fitted.predict_proba(X))
    guarded = clone(model).set_params(backpropmlpclassifier__update_rule=Safeguarded("learned"))
    assert guarded.fit(X, y).score(X, y) > 0.8


def test_partial_fit_continues_it():
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    model = BackpropMLPClassifier((8,), update_rule="learned", random_state=0)
    losses = [model.partial_fit(X, y, classes=[0, 1]).loss_ for _ in range(6)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["generalize", 3, "best"])
def test_an_unknown_name_is_an_error(name):
    for function in (load_pretrained, read_provenance):
        with pytest.raises(ValueError, match="name must be one of"):
            function(name)


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean 'generalise'"):
        load_pretrained("generalize")
    with pytest.raises(ValueError, match="Did you mean 'learned'"):
        BackpropMLPClassifier(update_rule="learnd").fit([[0.0], [1.0]], [0, 1])
