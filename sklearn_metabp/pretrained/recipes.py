"""The recipes of the rules that come with the package, and the function that follows one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from sklearn_metabp._kernels.scopes import LAYER_CONTROLS
from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks
from sklearn_metabp.pretrained.load import load_pretrained
from sklearn_metabp.update_rules import Adam

# A point of the curve of a search is the mean over so many iterations.
_CURVE_STEP = 25


@dataclass(frozen=True)
class SearchPlan:
    """One search of a recipe.

    Attributes
    ----------
    objective : str or dict of float
        See :class:`EvolutionSearch`.
    random_state : int
        Seed of the tasks and of the search.
    n_iterations, n_pairs : int
    learning_rate : float
        Learning rate of Adam, the outer rule, which falls to 0 along half a cosine.
    tasks : dict
        Parameters of :class:`SyntheticTasks`.
    """

    objective: str | Mapping[str, float]
    random_state: int
    n_iterations: int
    learning_rate: float
    tasks: Mapping[str, Any] = field(default_factory=dict)
    n_pairs: int = 24

    def search(
        self, rule: LearnedUpdateRule, checkpoint: str | os.PathLike[str] | None
    ) -> EvolutionSearch:
        """Run the search from a rule."""
        return EvolutionSearch(
            rule,
            SyntheticTasks(self.random_state, **self.tasks),
            objective=self.objective,
            n_iterations=self.n_iterations,
            n_pairs=self.n_pairs,
            update_rule=Adam(self.learning_rate, schedule="cosine"),
            random_state=self.random_state,
            checkpoint=checkpoint,
        ).fit()


@dataclass(frozen=True)
class Recipe:
    """Everything that a rule is made from.

    Attributes
    ----------
    inputs : sequence of str
        Inputs of the controller, which is linear.
    start : dict
        Facts of the rule made by hand that the controller starts from; see
        :meth:`LearnedUpdateRule.initialize`.
    stages : sequence of sequences of SearchPlan
        All searches of a stage start from one rule, and the stage returns the rule with the mean of
        their numbers. The next stage starts from it.
    ancestor : str, default=None
        Name of the rule that comes with the package from which the first stage starts, with its
        numbers for the inputs and controls of this one; None is the rule made by hand.
    """

    inputs: Sequence[str]
    start: Mapping[str, Any]
    stages: Sequence[Sequence[SearchPlan]]
    ancestor: str | None = None

    def first_rule(self) -> LearnedUpdateRule:
        """Return the rule that the first stage starts from."""
        rule = LearnedUpdateRule(scope="layer", inputs=list(self.inputs)).initialize(**self.start)
        if self.ancestor is None:
            return rule
        ancestor = load_pretrained(self.ancestor)
        return rule.with_meta_params(_numbers_of(ancestor, rule.inputs_, rule.controls_))

    def follow(
        self, *, n_jobs: int | None = None, checkpoint: str | os.PathLike[str] | None = None
    ) -> tuple[LearnedUpdateRule, list[dict[str, Any]]]:
        """Make the rule.

        Parameters
        ----------
        n_jobs : int, default=None
            Number of searches that run at the same time, each in a process; None is 1. The result
            has the same bits for any number.
        checkpoint : str or path-like, default=None
            Directory to save the searches to; see :class:`EvolutionSearch`.

        Returns
        -------
        rule : LearnedUpdateRule
        searches : list of dict
            For every search its plan, ``n_rollouts``, ``n_failed``, and its ``curve``: the mean of
            the objective over every 25 iterations.
        """
        rule, records = self.first_rule(), []
        folder = None if checkpoint is None else str(Path(checkpoint).absolute())
        for number, stage in enumerate(self.stages, 1):
            searches = Parallel(n_jobs=n_jobs)(delayed(plan.search)(rule, folder) for plan in stage)
            rule = rule.with_meta_params(np.mean([one.meta_params_ for one in searches], axis=0))
            records += [
                {"stage": number, **asdict(plan), **_record(search)}
                for plan, search in zip(stage, searches, strict=True)
            ]
        return rule, records


def _numbers_of(
    rule: LearnedUpdateRule, inputs: Sequence[str], controls: Sequence[str]
) -> np.ndarray:
    """Return the numbers of a linear controller for some inputs and controls; 0 for new inputs."""
    n_inputs, n_controls = len(rule.inputs_), len(rule.controls_)
    weights, biases = np.split(rule.meta_params_, [n_inputs * n_controls])
    of_input = dict(zip(rule.inputs_, weights.reshape(n_inputs, n_controls), strict=True))
    columns = [list(rule.controls_).index(name) for name in controls]
    kept = [of_input.get(name, np.zeros(n_controls))[columns] for name in inputs]
    return np.concatenate([*kept, biases[columns]])


def _record(search: EvolutionSearch) -> dict[str, Any]:
    history = search.history_
    parts = np.split(
        history["objective"], np.arange(_CURVE_STEP, len(history["objective"]), _CURVE_STEP)
    )
    return {
        "n_rollouts": 2 * search.n_pairs * search.n_iter_,
        "n_failed": int(history["n_failed"].sum()),
        "curve": [round(float(part.mean()), 4) for part in parts],
    }


# No statistics of a tensor are among the inputs: a step would take 1.5 times as long.
_OF_THE_HORIZON = ("progress", "remaining", "early", "last_tenth", "log_planned")
_INPUTS = (
    *_OF_THE_HORIZON,
    *("warmup_10", "warmup_100", "log_epochs", "log_batch"),
    *("log_loss", "log_loss/first", "log_loss_fast/slow"),
    *("log_fan_in", "log_fan_out", "is_bias", "is_last", "is_first", "depth"),
    *("is_classification", "is_saturating", "log_rows", "log_params/rows"),
)
_OF_VALIDATION = (
    *("has_validation", "log_validation/loss"),
    *("log_validation/best", "validations_since_best"),
)
_BROAD = {"max_width": 128, "scale_share": 0.25}
_NOISY = {"max_width": 128, "scale_share": 0.15}
_LONG = {"horizon": (30, 1000), "clean_regression_share": 0.6, **_NOISY}
_DROPOUT = 0.1  # before anything was learned
_CLEAN_KINDS = ("linear", "mixture", "teacher", "spiral", "sines", "products", "surface", "patches")
_LINEAR = {"clean_kinds": dict.fromkeys(_CLEAN_KINDS, 1.0), "clean_share": 0.35, **_LONG}


def _variant(seeds: tuple[int, int], inputs: Sequence[str], controls: Sequence[str]) -> Recipe:
    """Return a recipe that starts from the shipped rule and takes one short stage."""
    start: dict[str, Any] = {"start": "averaged_adamw", "controls": controls}
    if "dropout" in controls:
        start["dropout"] = _DROPOUT
    plans = [
        SearchPlan("generalise", seeds[0], 150, 0.01, _LINEAR),
        SearchPlan("chosen_test_loss", seeds[1], 150, 0.01, {"n_test": 300, **_LINEAR}),
    ]
    return Recipe(inputs, start, [plans], ancestor="generalise")


#: The recipes by the names of the rules.
RECIPES: Mapping[str, Recipe] = {
    "generalise": Recipe(
        inputs=_INPUTS,
        start={"start": "averaged_adamw", "dropout": _DROPOUT, "controls": LAYER_CONTROLS},
        stages=[
            [SearchPlan("generalise", 11, 600, 0.012, {"curriculum": 8000, **_NOISY})],
            [
                SearchPlan("generalise", 12, 700, 0.01, _LONG),
                SearchPlan("chosen_test_loss", 13, 700, 0.01, {"n_test": 300, **_LONG}),
            ],
            [
                SearchPlan("generalise", 14, 600, 0.008, _LINEAR),
                SearchPlan("chosen_test_loss", 15, 600, 0.008, {"n_test": 300, **_LINEAR}),
            ],
        ],
    ),
    "generalise_anytime": _variant(
        (16, 17), [name for name in _INPUTS if name not in _OF_THE_HORIZON], LAYER_CONTROLS
    ),
    "generalise_validation": _variant((20, 21), [*_INPUTS, *_OF_VALIDATION], LAYER_CONTROLS),
    "generalise_pure": _variant(
        (18, 19), _INPUTS, [name for name in LAYER_CONTROLS if name not in ("gain", "dropout")]
    ),
    "fit": Recipe(
        inputs=_INPUTS,
        start={"start": "adam", "learning_rate": 0.004},
        stages=[
            [SearchPlan("fit", 1, 600, 0.012, {"curriculum": 8000, **_BROAD})],
            [SearchPlan("fit", s, 600, 0.01, {"horizon": (30, 1000), **_BROAD}) for s in (2, 3)],
        ],
    ),
}
