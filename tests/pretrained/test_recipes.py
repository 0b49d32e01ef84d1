import json
import sys

import numpy as np
import pytest

from sklearn_metabp.pretrained import __main__ as program
from sklearn_metabp.pretrained.load import PRETRAINED
from sklearn_metabp.pretrained.recipes import RECIPES, Recipe, SearchPlan

SHORT = {"horizon": (5, 10), "max_width": 8}
INPUTS = ("remaining", "is_bias")


def tiny(seeds=(2, 3)):
    first = SearchPlan("fit", 1, 2, 0.05, SHORT, n_pairs=2)
    both = [SearchPlan("fit", seed, 2, 0.05, SHORT, n_pairs=2) for seed in seeds]
    return Recipe(INPUTS, {"start": "adam", "controls": ("step",)}, [[first], both])


def test_every_rule_has_a_recipe():
    assert list(RECIPES) == list(PRETRAINED)


def test_a_stage_is_the_mean_of_its_searches():
    recipe = tiny()
    rule, _ = recipe.follow()
    ancestor = recipe.stages[0][0].search(recipe.first_rule(), None).best_rule_
    parts = [plan.search(ancestor, None).meta_params_ for plan in recipe.stages[1]]
    np.testing.assert_array_equal(rule.meta_params_, (parts[0] + parts[1]) / 2)
    assert np.any(parts[0] != parts[1])


def test_the_numbers_do_not_depend_on_processes_and_checkpoints(tmp_path):
    alone, records = tiny().follow()
    saved, again = tiny().follow(n_jobs=2, checkpoint=tmp_path)
    continued, _ = tiny().follow(checkpoint=tmp_path)
    np.testing.assert_array_equal(alone.meta_params_, saved.meta_params_)
    np.testing.assert_array_equal(alone.meta_params_, continued.meta_params_)
    assert records == again
    assert [one["n_rollouts"] for one in records] == [8, 8, 8]


def test_the_program_writes_a_rule_and_its_provenance(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(RECIPES, "fit", tiny())
    monkeypatch.setattr(sys, "argv", ["program", "fit", "--folder", str(tmp_path / "new")])
    program.main()
    from sklearn_metabp import load_rule

    rule = load_rule(tmp_path / "new" / "fit.rule")
    provenance = json.loads((tmp_path / "new" / "fit.json").read_text())
    np.testing.assert_array_equal(rule.meta_params_, tiny().follow()[0].meta_params_)
    assert provenance["n_rollouts"] == 24 and len(provenance["searches"]) == 3
    assert provenance["sha256"][:16] in capsys.readouterr().out


def test_the_program_refuses_other_names(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "best"])
    with pytest.raises(SystemExit):
        program.main()
