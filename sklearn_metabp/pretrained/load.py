"""The rule files of this package, by name."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sklearn_metabp.did_you_mean import did_you_mean
from sklearn_metabp.learned import LearnedUpdateRule, load_rule
from sklearn_metabp.update_rules import FITTED_RULES

#: The rules that come with the package, by name, with their purposes.
PRETRAINED: Mapping[str, str] = {
    "generalise": "low loss on rows that were not trained on",
    "generalise_anytime": "the same, without knowing how long the training will be",
    "generalise_validation": "the same, with a view of the validation loss",
    "generalise_pure": "the same as a pure update rule: no dropout, no gain of initial weights",
    "fit": "low training loss",
}
#: The rule that ``update_rule="learned"`` stands for.
RECOMMENDED = "generalise"

_FOLDER = Path(__file__).parent / "rules"


def load_pretrained(name: str = RECOMMENDED) -> LearnedUpdateRule:
    """Return a learned rule that comes with the package.

    Each was found by trial and error on synthetic tasks alone. Real data sets only served to choose
    between recipes. Such a rule needs no learning rate. A training should have its planned length:
    set ``max_iter`` to the length that you want, and ``n_iter_no_change=np.inf``.

    Parameters
    ----------
    name : str, default="generalise"
        - ``"generalise"``: for low loss on rows that were not trained on. It sets step sizes,
          momentum, decay, the average of the weights, the size of the initial weights and dropout.
          ``update_rule="learned"`` is this rule.
        - ``"generalise_anytime"``: the same without the number of planned steps, for trainings of
          unknown length, such as those by ``partial_fit``.
        - ``"generalise_validation"``: a rule that also uses the validation loss, if the estimator
          validates (``early_stopping`` or ``X_val``).
        - ``"generalise_pure"``: a rule that only updates, for comparisons with update rules: it has
          no dropout and leaves the initial weights as they are.
        - ``"fit"``: for low training loss, without regard to other rows.

    Returns
    -------
    rule : LearnedUpdateRule
        A new rule at every call.

    Raises
    ------
    ValueError
        If no rule has this name.

    See Also
    --------
    read_provenance : Return how a rule was made.
    load_rule : Load a rule of your own from a file.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_metabp import BackpropMLPClassifier
    >>> from sklearn_metabp.pretrained import load_pretrained
    >>> rule = load_pretrained("generalise")
    >>> rule.scope_
    'layer'
    >>> model = BackpropMLPClassifier((32,), update_rule=rule, max_iter=50, random_state=0)
    >>> X, y = load_wine(return_X_y=True)
    >>> make_pipeline(StandardScaler(), model).fit(X, y).score(X, y)
    1.0
    """
    _check_name(name)
    return _read(name).with_meta_params(_read(name).meta_params_)


def read_provenance(name: str = RECOMMENDED) -> dict[str, Any]:
    """Return how a rule that comes with the package was made.

    Parameters
    ----------
    name : str, default="generalise"

    Returns
    -------
    provenance : dict
        ``command`` that makes the rule again; ``recipe`` with its tasks, objectives and seeds;
        ``searches``, a list of the searches with the curve of each; ``n_rollouts``; ``versions``.

    Raises
    ------
    ValueError
        If no rule has this name.

    Examples
    --------
    >>> from sklearn_metabp.pretrained import read_provenance
    >>> read_provenance("generalise")["command"]
    'python -m sklearn_metabp.pretrained generalise'
    """
    _check_name(name)
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def _check_name(name: Any) -> None:
    if name not in PRETRAINED:
        raise ValueError(
            f"name must be one of {list(PRETRAINED)}, got {name!r}.{did_you_mean(name, PRETRAINED)}"
        )


@cache
def _read(name: str) -> LearnedUpdateRule:
    return load_rule(_FOLDER / f"{name}.rule")


FITTED_RULES["learned"] = load_pretrained
