"""The base of all rules that train a network."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_metabp.did_you_mean import ExplainsParameters
from sklearn_metabp.doc_links import DocLinkMixin
from sklearn_metabp.network import ParameterLayout, Step


class TrainingRule(ExplainsParameters, DocLinkMixin, BaseEstimator, ABC):
    """Anything that ``update_rule`` takes: a rule that trains a network.

    A rule follows one of two protocols, and subclasses one of two classes. An :class:`UpdateRule`
    computes an update from every batch. A :class:`LineSearchRule` minimizes the loss of all rows.
    Both have the attributes and methods of this class.

    Attributes
    ----------
    takes_steps : bool
        Whether the rule computes an update from a single step. Only such a rule can train on part
        of the rows, be wrapped by another rule, or be a teacher. The other kind minimizes the
        loss by itself.
    adds_updates : bool
        Whether the parameters after a step are, to the bit, those before it plus ``step.updates``.
    tests_convergence : bool
        Whether the rule itself decides when the training has converged, and states the reason when
        it ends before that. The training then has no patience with the training loss.
    needs_fixed_loss : bool
        Whether the loss must stay the same function of the parameters: batches of all rows and no
        dropout.
    resumable : bool
        Whether ``state`` between two epochs holds all that the rule needs to continue.
    replayable : bool
        Whether the same start gives the same steps again, to the bit. False unless a subclass sets
        it.
    acts_backward : bool
        Whether the rule replaces rule (6) of the backward pass. False unless a subclass sets it.
    full_batch : bool
        Whether ``batch_size="auto"`` means all rows. False unless a subclass sets it.
    sets_dropout : bool
        Whether the rule writes ``step.dropout``, in place of the estimator's ``dropout``. False
        unless a subclass sets it.
    trains_extras : bool
        True if the rule also trains parameters beside weights and biases, such as those of an
        embedding. True unless a subclass sets it.
    """

    # The two protocols set these five; a rule leaves them as they are.
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
            Which slice of a flat vector is what; ``layout.n_params`` is its length,
            ``layout.dtype`` its dtype, ``layout.zeros()`` such a vector.

        Returns
        -------
        state : object
            Anything that pickles; the rule may change it in place. Arrays and numbers in a dict are
            best. Objects that are bound to the arrays of one training do not belong here but into
            the function that ``bind`` returns.
        """

    def on_plateau(self, state: Any) -> bool:
        """React when the loss has not improved for as long as the training's patience lasts.

        Parameters
        ----------
        state : object
            The state from ``init_state``; may be changed in place.

        Returns
        -------
        continues : bool
            True if the rule changed something, for example to a smaller learning rate, so that
            training should continue with fresh patience. False, the default, ends it.
        """
        return False

    def on_validation(self, validation_loss: float, score: float, state: Any) -> None:
        """React to a validation, after an epoch in which the training validated.

        A training validates where the estimator has ``early_stopping`` or ``fit`` was given
        ``X_val``; any other training never calls this. A rule whose later updates depend on it
        keeps in the state what it needs, and must not be ``replayable``: a trace has no
        validations. It is called before ``on_plateau``. Does nothing by default.

        Parameters
        ----------
        validation_loss : float
            Mean loss on the validation rows, without the penalty, of the parameters that
            ``kept_params`` returns. May be infinite or NaN.
        score : float
            Score of the same parameters; higher is better. Minus the loss where a rollout computes
            no scores.
        state : object
            The state from ``init_state``; may be changed in place.
        """
        return

    def measure(self, params: np.ndarray, step: Step, state: Any) -> None:
        """Measure the values for ``kept_params`` that only a training can measure.

        The training calls it before every ``kept_params``, while its rows are there. The result
        goes into the state. Does nothing by default.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            After the last update.
        step : Step
            The last step; ``step.params`` may be the parameters before its update.
        state : object
            The state from ``init_state``; may be changed in place.
        """

    def kept_params(self, params: np.ndarray, state: Any) -> np.ndarray:
        """Return the parameters that a fitted estimator gets.

        The training itself continues from ``params``. Called after an epoch and after the training,
        when its rows may be gone.

        Parameters
        ----------
        params : ndarray of shape (n_params,)
            After the last update.
        state : object
            The state from ``init_state``.

        Returns
        -------
        kept : ndarray of shape (n_params,)
            ``params`` itself by default. May be an array of the state: copy it before the next
            step.
        """
        return params

    def on_new_params(self, state: Any) -> None:
        """React before a training continues from parameters that were written in between.

        A state that contains parameters, for example an average, has to drop them here. Running
        means of gradients may be kept. Does nothing by default.

        Parameters
        ----------
        state : object
            The state from ``init_state``; may be changed in place.
        """
        return

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Return whether the schedule has ended, so that more steps change next to nothing.

        Parameters
        ----------
        n_steps : int
            Steps taken.
        n_planned : int
            Steps that schedules are planned for.

        Returns
        -------
        has_ended : bool
            False by default. Estimators warn of a training that continues under such a rule.
        """
        return False

    def state_key(self) -> tuple:
        """Return the key of the state.

        A training continues with its state under any rule of the same key. If a hyperparameter
        changes which arrays the state has, or their meaning, it belongs into the key.

        Returns
        -------
        key : tuple
            Of classes, strings, numbers, arrays and tuples of them. The class alone by default, so
            that a rule with another learning rate continues with the present moments.
        """
        return (type(self),)
