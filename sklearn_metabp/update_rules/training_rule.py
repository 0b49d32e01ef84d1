"""The base of all rules that train a network."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.network import ParameterLayout, Step


class TrainingRule(ExplainsParameters, DocLinkMixin, BaseEstimator, ABC):
    """Base of all values of ``update_rule``: a rule that trains a network.

    A rule is a subclass of one of two classes. An :class:`UpdateRule`
    computes an update from every batch. A :class:`LineSearchRule` minimizes the loss of all rows.
    Both have the attributes and methods of this class.

    Attributes
    ----------
    takes_steps : bool
        True if the rule computes an update from a single step. Only such a rule can train on a part
        of the rows, be wrapped by another rule, or be a teacher. A rule of the other kind minimizes
        the loss in one call.
    adds_updates : bool
        True if the parameters after a step are exactly those before it plus ``step.updates``.
    tests_convergence : bool
        True if the rule itself decides when the training has converged, and states the reason when
        it ends before that. The training then has no patience with the training loss.
    needs_fixed_loss : bool
        True if the loss must stay the same function of the parameters: batches of all rows and no
        dropout.
    resumable : bool
        True if ``state`` between two epochs has all data that the rule needs to continue.
    replayable : bool
        True if the same start gives identical steps again. False unless a subclass sets it.
    acts_backward : bool
        True if the rule replaces rule (6) of the backward pass. False unless a subclass sets it.
    full_batch : bool
        True if ``batch_size="auto"`` means all rows. False unless a subclass sets it.
    sets_dropout : bool
        True if the rule writes ``step.dropout``, in place of the estimator's ``dropout``. False
        unless a subclass sets it.
    trains_extras : bool
        True if the rule also trains parameters beside weights and biases, such as those of an
        embedding. True unless a subclass sets it.
    """

    # The two base classes set these five. A rule does not change them.
    takes_steps: ClassVar[bool]
    adds_updates: ClassVar[bool]
    tests_convergence: ClassVar[bool]
    needs_fixed_loss: ClassVar[bool]
    resumable: ClassVar[bool]

    # A rule may set these five.
    replayable: bool = False
    acts_backward: bool = False
    full_batch: bool = False
    sets_dropout: bool = False
    trains_extras: bool = True

    _parameters_elsewhere = {
        **dict.fromkeys(("lr", "learning_rate_init", "eta", "step_size"), "learning_rate"),
        "betas": "beta_1 and beta_2",
        "eps": "epsilon",
        "rho": "decay",
        "mu": "momentum",
        "weight_decay": "alpha of the estimator, or the rule AdamW(weight_decay=0.01)",
        "nesterovs_momentum": "nesterov",
        "decay_rate": "decay",
        "max_eval": "max_fun",
        "history_size": "memory",
        "power_t": "schedule='invscaling', which has a power of 0.5",
        **dict.fromkeys(("lr_scheduler", "scheduler"), "schedule"),
        **dict.fromkeys(
            ("clipnorm", "max_norm"), "a rule around the rule: Clipped(rule, max_norm=1.0)"
        ),
        "ema_momentum": "a rule around the rule: Averaged(rule, decay=0.99)",
    }

    @abstractmethod
    def init_state(self, layout: ParameterLayout) -> Any:
        """Make the state of the rule before the first step of a training.

        Parameters
        ----------
        layout : ParameterLayout
            Names and slices of the parameters in the flat vector. ``layout.n_params`` is the length
            of the vector, ``layout.dtype`` its dtype, and ``layout.zeros()`` makes such a vector.

        Returns
        -------
        state : object
            An object that can be pickled, best a dict of arrays and numbers. The rule may change it
            in place. Objects that are bound to the arrays of one training do not belong into the
            state, but into the function that ``bind`` returns.
        """

    def on_plateau(self, state: Any) -> bool:
        """React when the patience of the training has run out.

        Parameters
        ----------
        state : object
            The state from ``init_state``. The method may change it in place.

        Returns
        -------
        continues : bool
            True if training should continue with fresh patience, because the rule has changed, for
            example to a smaller learning rate. False, the default, ends the training.
        """
        return False

    def on_validation(self, validation_loss: float, score: float, state: Any) -> None:
        """React to a validation, after an epoch in which the training validated.

        A training validates if the estimator has ``early_stopping`` or if ``fit`` got ``X_val``.
        Other trainings never call this method. If later updates of a rule depend on the validation,
        the rule keeps the necessary data in the state, and must not be ``replayable``, because a
        trace has no validations. The method is called before ``on_plateau``. By default it does
        nothing.

        Parameters
        ----------
        validation_loss : float
            Mean loss on the validation rows, without the penalty, of the parameters that
            ``kept_params`` returns. It may be infinite or NaN.
        score : float
            Score of the same parameters. Higher is better. It is minus the loss if a rollout
            computes no scores.
        state : object
            The state from ``init_state``. The method may change it in place.
        """
        return

    def measure(self, params: np.ndarray, step: Step, state: Any) -> None:
        """Measure the values for ``kept_params`` that only a training can measure.

        The training calls it before every ``kept_params``, while it still has its rows. The result
        belongs into the state. By default the method does nothing.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            Parameters after the last update.
        step : Step
            The last step. ``step.params`` may be the parameters before its update.
        state : object
            The state from ``init_state``. The method may change it in place.
        """

    def kept_params(self, params: np.ndarray, state: Any) -> np.ndarray:
        """Return the parameters that a fitted estimator gets.

        The training itself continues from ``params``. The method is called after an epoch and after
        the training, when the rows may be deleted.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            Parameters after the last update.
        state : object
            The state from ``init_state``.

        Returns
        -------
        kept : ndarray of shape (n_params,)
            ``params`` itself by default. It may be an array of the state, so copy it before the
            next step.
        """
        return params

    def on_new_params(self, state: Any) -> None:
        """React before a training continues from parameters that somebody has changed.

        If a state contains parameters, for example an average, this method must remove them.
        Running means of gradients may stay. By default it does nothing.

        Parameters
        ----------
        state : object
            The state from ``init_state``. The method may change it in place.
        """
        return

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Return whether the schedule has ended, so that further steps change almost nothing.

        Parameters
        ----------
        n_steps : int
            Number of steps so far.
        n_planned : int
            Number of planned steps.

        Returns
        -------
        has_ended : bool
            False by default. If it is True, estimators warn when the training continues.
        """
        return False

    def state_key(self) -> tuple:
        """Return the key of the state.

        A continued training keeps its state if the new rule has the same key. If a hyperparameter
        changes the arrays of the state, or their meaning, it belongs into the key.

        Returns
        -------
        key : tuple
            A tuple of classes, strings, numbers, arrays and such tuples. By default it has only the
            class, so a rule with another learning rate continues with the present moments.
        """
        return (type(self),)
