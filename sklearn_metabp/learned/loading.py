"""A learned rule out of its file."""

from sklearn_metabp.learned.rule import MODELS, LearnedUpdateRule
from sklearn_metabp.learned.rule_files import read_model


def load_rule(path) -> LearnedUpdateRule:
    """Read a rule that :meth:`LearnedUpdateRule.save` wrote; no code in the file is run.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    rule : LearnedUpdateRule
        Fitted. Its ``learner_`` is the MLP, with scalers folded into its weights, behind a scaler
        that subtracts a centre where there were scalers. It trains to the bits of the rule that was
        saved, of any scope and inputs, and predicts the same to rounding; fitting it again starts
        afresh with the default learner.

    Raises
    ------
    RuleFileError
        If the file is no rule file, or a damaged one.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from sklearn_metabp import Adam, BackpropMLPRegressor, LearnedUpdateRule, load_rule
    >>> X = np.random.default_rng(0).uniform(0.1, 1, (100, 8))
    >>> learner = BackpropMLPRegressor((4,), update_rule=Adam(0.05), tol=0.001)
    >>> rule = LearnedUpdateRule(learner, random_state=0).fit(X, -X[:, 0])
    >>> path = os.path.join(tempfile.mkdtemp(), "rule.safetensors")
    >>> rule.save(path)
    >>> bool((load_rule(path).predict(X) == rule.predict(X)).all())
    True
    """
    scope, model = read_model(path, MODELS)
    rule = LearnedUpdateRule(scope=scope, inputs=list(model.inputs))._take(model, model.inputs)
    # The last column of the features is the unit, which the learner does not see.
    rule.n_features_in_ = model.learner.n_features_in_ + (scope != "network")
    return rule
