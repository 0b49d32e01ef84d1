"""The protocol: two verbs a rule."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.network import ParameterLayout, Step


class UpdateRule(DocLinkMixin, BaseEstimator, ABC):
    """Turns what one step knows into the change of every parameter.

    A rule is its hyperparameters. What it remembers from step to step is its state, which the
    training owns: one rule may serve many trainings at once, and ``clone``, ``get_params`` and
    ``update_rule__learning_rate`` work as for any estimator.

    Subclass it, take the hyperparameters in ``__init__`` and write the two methods.

    Attributes
    ----------
    replayable : bool
        Whether ``compute_update`` is a function of the step and the state alone, so that the same
        start gives the same bits again. :class:`TraceRecorder` then need not copy every step.
        False unless a subclass says True.
    acts_backward : bool
        Whether the rule also says how deltas go back, by ``compute_deltas``, in place of rule (6).
        False unless a subclass says True.
    full_batch : bool
        Whether ``batch_size="auto"`` means all rows, as for rules that compare one gradient with the one
        before. False unless a subclass says True.

    Examples
    --------
    A rule in ten lines of NumPy:

    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_metabp import BackpropMLPClassifier, UpdateRule
    >>> class SignDescent(UpdateRule):
    ...     def __init__(self, learning_rate=0.001):
    ...         self.learning_rate = learning_rate
    ...
    ...     def init_state(self, layout):
    ...         return {}
    ...
    ...     def compute_update(self, step, state):
    ...         return -self.learning_rate * np.sign(step.gradients)
    >>> X, y = load_iris(return_X_y=True)
    >>> model = BackpropMLPClassifier(update_rule=SignDescent(), max_iter=1000, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    replayable: bool = False
    acts_backward: bool = False
    full_batch: bool = False

    @abstractmethod
    def init_state(self, layout: ParameterLayout) -> Any:
        """What the rule remembers before the first step of a training.

        Parameters
        ----------
        layout : ParameterLayout
            Which slice of a flat vector is what; ``layout.n_params`` is its length, ``layout.dtype``
            its dtype, ``layout.zeros()`` such a vector.

        Returns
        -------
        state : object
            Anything that pickles; ``compute_update`` may change it in place.
        """

    @abstractmethod
    def compute_update(self, step: Step, state: Any) -> np.ndarray:
        """Change of the parameters at this step.

        Parameters
        ----------
        step : Step
            What the step knows; ``step.gradients`` above all.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        updates : ndarray of shape (n_params,)
            Added to the parameters, of their dtype or float64, which is rounded. ``step.updates``, filled in
            place, saves an allocation.
        """

    def compute_deltas(self, step: Step, layer: int, state: Any) -> np.ndarray:
        """Deltas of a hidden layer, in place of rule (6); called only where ``acts_backward``.

        Layers are visited from the last hidden one to the first; gradients, and so updates, come
        from what is returned.

        Parameters
        ----------
        step : Step
            ``step.deltas[layer + 1]``, ``step.coefs[layer + 1]`` and ``step.derivatives_of(layer)`` are what
            rule (6) is made of. With dropout those derivatives have its factor, 0 for a dropped unit: a rule
            without them sends errors through units that took no part. The gradients are not complete yet.
        layer : int
            Number of the hidden layer, 0 the first.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        deltas : ndarray of shape (n_patterns, n_units)
            Or ``step.backprop.deltas[layer]``, its first ``n_patterns`` rows filled in place.
        """
        raise NotImplementedError(f"{type(self).__name__} says acts_backward and has no compute_deltas.")

    def bound_deltas(self, step: Step, state: Any) -> Callable[[int], None] | None:
        """``compute_deltas`` for all steps of one training, where that saves time.

        Parameters
        ----------
        step : Step
            Refilled at every step; its arrays stay where they are.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        send_back : callable or None
            Called with the number of a hidden layer, in place of ``compute_deltas``; fills the first
            ``step.n_patterns`` rows of ``step.backprop.deltas[layer]``. None where there is none.
        """
        return None

    def on_plateau(self, state: Any) -> bool:
        """Called when the loss has not improved for as long as the training's patience lasts.

        Parameters
        ----------
        state : object
            What ``init_state`` returned; may be changed in place.

        Returns
        -------
        goes_on : bool
            True if the rule changed something, a smaller learning rate say, so that training should go on
            with fresh patience. False, the default, ends it.
        """
        return False

    def kept_params(self, params: np.ndarray, state: Any) -> np.ndarray:
        """Parameters that a fitted estimator gets; training itself goes on from ``params``.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            After the last update.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        kept : ndarray of shape (n_params,)
            ``params`` itself by default. May be an array of the state: copy it before the next step.
        """
        return params

    def state_key(self) -> tuple:
        """What a state fits: a training goes on with its state under any rule of the same key.

        Returns
        -------
        key : tuple
            The class by default, so that another learning rate goes on with the moments there are.
        """
        return (type(self),)
