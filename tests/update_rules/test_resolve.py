import re
from pathlib import Path

import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator

import sklearn_metabp
from sklearn_metabp import SGD, Adam, UpdateRule, update_rules
from sklearn_metabp.update_rules import UPDATE_RULES, resolve_update_rule


class Fittable(UpdateRule):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def init_state(self, layout):
        return {}

    def compute_update(self, step, state):
        return -step.gradients


@pytest.mark.parametrize("name", UPDATE_RULES)
def test_a_name_is_its_class_in_lower_case_with_its_defaults(name):
    rule = resolve_update_rule(name)
    assert type(rule).__name__.lower() == name
    assert rule.get_params() == UPDATE_RULES[name]().get_params()


RULE_NAMES = {
    name
    for name, value in vars(sklearn_metabp).items()
    if isinstance(value, type) and issubclass(value, update_rules.TrainingRule)
} - {"LearnedUpdateRule"}


def test_every_named_rule_is_a_public_name():
    named = {kind.__name__ for kind in UPDATE_RULES.values()}
    wrappers = {"Averaged", "Clipped", "Layerwise", "LinearBackprop", "Safeguarded"}
    assert named | wrappers | {"UpdateRule", "LineSearchRule"} == RULE_NAMES
    assert set(sklearn_metabp.__all__) >= RULE_NAMES <= set(update_rules.__all__)


def test_the_documentation_lists_every_public_rule_once():
    text = (Path(sklearn_metabp.__file__).parents[1] / "docs" / "api.rst").read_text("utf-8")
    sections = re.split(r"^(.+)\n-+\n", text, flags=re.MULTILINE)
    listed = []
    for title, body in zip(sections[1::2], sections[2::2], strict=True):
        if title in ("Update rules", "Line searches", "Wrappers"):
            listed += re.findall(r"^    (\w+)$", body, re.MULTILINE)
    assert sorted(listed) == sorted(RULE_NAMES)


def test_the_users_guide_mentions_every_public_rule():
    text = (Path(sklearn_metabp.__file__).parents[1] / "docs" / "update_rules.rst").read_text(
        "utf-8"
    )
    missing = {
        name for name in RULE_NAMES - {"UpdateRule"} if f"~sklearn_metabp.{name}`" not in text
    }
    assert not missing


@pytest.mark.parametrize("rule", [SGD(0.3), Adam(), Fittable().fit(None)], ids=str)
def test_a_rule_resolves_to_itself_and_a_frozen_rule_to_the_rule_within(rule):
    assert resolve_update_rule(rule) is rule
    assert resolve_update_rule(FrozenEstimator(rule)) is rule


@pytest.mark.parametrize(
    ("update_rule", "error", "message"),
    [
        ("adamant", ValueError, r"one of \['adadelta', .*'sgd'\] or an UpdateRule, got 'adamant'"),
        (Adam, TypeError, "Pass an instance: add parentheses"),
        (None, TypeError, "instance of UpdateRule, got None"),
        (0.1, TypeError, "instance of UpdateRule, got 0.1"),
        (Fittable(), NotFittedError, "call its fit with a trace first"),
        (FrozenEstimator(Fittable()), NotFittedError, "call its fit with a trace first"),
    ],
    ids=str,
)
def test_the_error_for_another_argument_names_the_expected_kinds(update_rule, error, message):
    with pytest.raises(error, match=message):
        resolve_update_rule(update_rule)
