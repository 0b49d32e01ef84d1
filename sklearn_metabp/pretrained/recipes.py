"""The recipes of the rules that come with the package, and the function that follows one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from sklearn_metabp._kernels.scopes import LAYER_CONTROLS, LAYER_INPUTS
from sklearn_metabp.learned import LearnedUpdateRule
from sklearn_metabp.meta_training import EvolutionSearch, SyntheticTasks
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
        That of Adam, the outer rule, which falls to 0 along half a cosine.
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
    """

    inputs: Sequence[str]
    start: Mapping[str, Any]
    stages: Sequence[Sequence[SearchPlan]]

    def first_rule(self) -> LearnedUpdateRule:
        """Return the rule made by hand that the first stage starts from."""
        return LearnedUpdateRule(scope="layer", inputs=list(self.inputs)).initialize(**self.start)

    def follow(
        self, *, n_jobs: int | None = None, checkpoint: str | os.PathLike[str] | None = None
    ) -> tuple[LearnedUpdateRule, list[dict[str, Any]]]:
        """Make the rule.

        Parameters
        ----------
        n_jobs : int, default=None
            Number of searches that run at the same time, each in a process; None is 1. The result
            has the same bits with any.
        checkpoint : str or path-like, default=None
            Directory to save the searches to; see :class:`EvolutionSearch`.

        Returns
        -------
        rule : LearnedUpdateRule
        searches : list of dict
            Of every search its plan, ``n_rollouts``, ``n_failed``, and its ``curve``: the mean of
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


# All inputs that are no statistics of a tensor: those would make a step half as slow again.
_INPUTS = LAYER_INPUTS[: LAYER_INPUTS.index("log_rms/first")]
_BROAD = {"max_width": 128, "scale_share": 0.25}
_NOISY = {"max_width": 128, "scale_share": 0.15}
_LONG = {"horizon": (30, 1000), "clean_regression_share": 0.6, **_NOISY}

#: The recipes by the names of the rules.
RECIPES: Mapping[str, Recipe] = {
    "generalise": Recipe(
        inputs=_INPUTS,
        start={"start": "averaged_adamw", "dropout": 0.1, "controls": LAYER_CONTROLS},
        stages=[
            [SearchPlan("generalise", 11, 600, 0.012, {"curriculum": 8000, **_NOISY})],
            [
                SearchPlan("generalise", 12, 700, 0.01, _LONG),
                SearchPlan("chosen_test_loss", 13, 700, 0.01, {"n_test": 300, **_LONG}),
            ],
            [
                SearchPlan("generalise", 14, 700, 0.008, _LONG),
                SearchPlan("chosen_test_loss", 15, 700, 0.008, {"n_test": 300, **_LONG}),
            ],
        ],
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
