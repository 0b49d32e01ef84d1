"""The protocol: two verbs a rule, and what a rule may say besides."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.checked_update import explain_read_only, fill_deltas

# What is asked for at one step, and what the same is for all steps of a training.
_BOUND_VERBS = {"compute_update": "bind", "compute_deltas": "bind_deltas"}


class UpdateRule(ExplainsParameters, DocLinkMixin, BaseEstimator, ABC):
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
        Whether ``batch_size="auto"`` means all rows, as for rules that compare one gradient with
        the one before. False unless a subclass says True.

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

    _parameters_elsewhere = {
        "lr": "learning_rate",
        "learning_rate_init": "learning_rate",
        "betas": "beta_1 and beta_2",
        "eps": "epsilon",
        "rho": "decay",
        "nesterovs_momentum": "nesterov",
        "decay_rate": "decay",
        "max_eval": "max_fun",
        "history_size": "memory",
        "power_t": "schedule: 'invscaling' has a power of 0.5",
        "lr_scheduler": "schedule",
        "clipnorm": "a rule around the rule: Clipped(rule, max_norm=1.0)",
        "max_norm": "a rule around the rule: Clipped(rule, max_norm=1.0)",
        "ema_momentum": "a rule around the rule: Averaged(rule, decay=0.99)",
    }

    replayable: bool = False
    acts_backward: bool = False
    full_batch: bool = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for verb, bound in _BOUND_VERBS.items():
            definer = next(
                vars(kind) for kind in cls.__mro__ if verb in vars(kind) or bound in vars(kind)
            )
            if bound not in definer and getattr(cls, bound) is not getattr(UpdateRule, bound):
                setattr(
                    cls, bound, getattr(UpdateRule, bound)
                )  # what a parent binds is not what it computes

    @abstractmethod
    def init_state(self, layout: ParameterLayout) -> Any:
        """What the rule remembers before the first step of a training.

        Parameters
        ----------
        layout : ParameterLayout
            Which slice of a flat vector is what; ``layout.n_params`` is its length,
            ``layout.dtype`` its dtype, ``layout.zeros()`` such a vector.

        Returns
        -------
        state : object
            Anything that pickles; ``compute_update`` may change it in place. Arrays and numbers in
            a dict are best: what is bound to the arrays of one training has its place in what
            ``bind`` returns.
        """

    @abstractmethod
    def compute_update(self, step: Step, state: Any) -> np.ndarray:
        """Change of the parameters at this step.

        May be called at any time. A rule that binds arrays once per training binds them anew in
        every such call, which takes longer and gives the same numbers.

        Parameters
        ----------
        step : Step
            What the step knows; ``step.gradients`` above all.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        updates : ndarray of shape (n_params,)
            Added to the parameters, of their dtype or float64, which is rounded. ``step.updates``,
            filled in place, saves an allocation.
        """

    def bind(self, step: Step, state: Any) -> Callable[[], np.ndarray]:
        """Bind ``compute_update`` to one training: optional, for rules that save time by it.

        It is called once per training: by the loop, and by whatever else goes through all steps.
        What is made once for the arrays of a training, a kernel over them say, belongs into what is
        returned, and not into the state, which outlives the training and its data.

        A class that overrides ``compute_update`` and not ``bind`` has the default again.

        Parameters
        ----------
        step : Step
            Refilled at every step; its arrays stay where they are.
        state : object
            What ``init_state`` returned, or an earlier training left.

        Returns
        -------
        bound : callable
            ``bound()`` is called once per step, when the step has been filled, and returns what
            ``compute_update(step, state)`` would, which is the default.
        """
        return partial(self.compute_update, step, state)

    def compute_deltas(self, step: Step, layer: int, state: Any) -> np.ndarray:
        """Deltas of a hidden layer, in place of rule (6); called only where ``acts_backward``.

        Layers are visited from the last hidden one to the first; gradients, and so updates, come
        from what is returned.

        Parameters
        ----------
        step : Step
            ``step.deltas[layer + 1]``, ``step.coefs[layer + 1]`` and ``step.derivatives_of(layer)``
            are what rule (6) is made of. With dropout those derivatives have its factor, 0 for a
            dropped unit: a rule without them sends errors through units that took no part. The
            gradients are not complete yet.
        layer : int
            Number of the hidden layer, 0 the first.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        deltas : ndarray of shape (n_patterns, n_units)
            Or ``step.backprop.deltas[layer]``, its first ``n_patterns`` rows filled in place.
        """
        raise NotImplementedError(
            f"{type(self).__name__} says acts_backward and has no compute_deltas."
        )

    def bind_deltas(self, step: Step, state: Any) -> Callable[[int], None]:
        """Bind ``compute_deltas`` to one training, as ``bind`` does ``compute_update``.

        Parameters
        ----------
        step : Step
            Refilled at every step; its arrays stay where they are.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        send_back : callable
            ``send_back(layer)`` fills the first ``step.n_patterns`` rows of
            ``step.backprop.deltas[layer]``. By default with what ``compute_deltas`` returns.
        """

        def send_back(layer: int) -> None:
            try:
                deltas = self.compute_deltas(step, layer, state)
            except ValueError as error:
                explain_read_only(error, self)
                raise
            fill_deltas(self, layer, deltas, step.backprop.deltas[layer], step.n_patterns)

        return send_back

    def on_plateau(self, state: Any) -> bool:
        """Called when the loss has not improved for as long as the training's patience lasts.

        Parameters
        ----------
        state : object
            What ``init_state`` returned; may be changed in place.

        Returns
        -------
        goes_on : bool
            True if the rule changed something, a smaller learning rate say, so that training should
            go on with fresh patience. False, the default, ends it.
        """
        return False

    def measure(self, params: np.ndarray, step: Step, state: Any) -> None:
        """Note in the state what ``kept_params`` goes by and only a training can measure.

        Called before every ``kept_params`` of a training, while its rows are there; does nothing by
        default.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            After the last update.
        step : Step
            The last step; ``step.params`` may be the parameters before its update.
        state : object
            What ``init_state`` returned; may be changed in place.
        """

    def kept_params(self, params: np.ndarray, state: Any) -> np.ndarray:
        """Parameters that a fitted estimator gets; training itself goes on from ``params``.

        Called after an epoch and after the training, by when its rows may be gone.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            After the last update.
        state : object
            What ``init_state`` returned.

        Returns
        -------
        kept : ndarray of shape (n_params,)
            ``params`` itself by default. May be an array of the state: copy it before the next
            step.
        """
        return params

    def on_new_params(self, state: Any) -> None:
        """Called before a training goes on from parameters that somebody wrote in between.

        A state that has parameters in it, an average say, forgets them; moments of gradients may
        stay. Does nothing by default.

        Parameters
        ----------
        state : object
            What ``init_state`` returned; may be changed in place.
        """
        return

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Whether a schedule has all but stopped the rule, so that further steps change next to nothing.

        Parameters
        ----------
        n_steps : int
            Steps taken.
        n_planned : int
            Steps that schedules reckon with.

        Returns
        -------
        has_ended : bool
            False by default. Estimators warn of a training that goes on under such a rule.
        """
        return False

    def state_key(self) -> tuple:
        """What a state fits: a training goes on with its state under any rule of the same key.

        A rule whose state has other arrays, or arrays of another meaning, under another
        hyperparameter has that hyperparameter in its key.

        Returns
        -------
        key : tuple
            Of classes, strings, numbers, arrays and tuples of them. The class alone by default, so
            that another learning rate goes on with the moments there are.
        """
        return (type(self),)
