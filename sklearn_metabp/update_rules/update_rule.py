"""The protocol of update rules: two verbs, and two that bind them to one training."""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from sklearn_metabp.network import Step
from sklearn_metabp.update_rules.checks import explain_read_only, write_deltas
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.training_rule import TrainingRule

# The methods that compute one step, and those that bind them to all steps of a training.
_BOUND_VERBS = {"compute_update": "bind", "compute_deltas": "bind_deltas"}


class UpdateRule(TrainingRule):
    """A rule that computes the change of every parameter from one step.

    A rule consists of its hyperparameters. All that changes from step to step is its state, which
    belongs to the training: one rule may serve many trainings at once, and ``clone``,
    ``get_params`` and ``update_rule__learning_rate`` work as for any estimator.

    Subclass it, take the hyperparameters in ``__init__`` and write the two methods ``init_state``
    and ``compute_update``.

    Attributes
    ----------
    replayable : bool
        Whether ``compute_update`` is a function of the step and the state alone, so that the same
        start gives the same bits again. :class:`TraceRecorder` then need not copy every step.
        False unless a subclass sets it.
    acts_backward : bool
        True if the rule also computes how deltas go back, by ``compute_deltas``, in place of rule
        (6). False unless a subclass sets it.
    full_batch : bool
        Whether ``batch_size="auto"`` means all rows, as for rules that compare one gradient with
        the one before. False unless a subclass sets it.
    sets_dropout : bool
        Whether the rule sets the share of neurons that is dropped at the outputs of every hidden
        layer, by writing to ``step.dropout``. What it writes applies from the next step on. Values
        that must survive a stop are kept in the state, and ``bind`` writes them to
        ``step.dropout``. False unless a subclass sets it.
    trains_extras : bool
        True if the rule also updates the parameters beside weights and biases, which come last in
        the flat vector. True unless a subclass sets it.

    See Also
    --------
    LineSearchRule : Base of rules that search along lines, on all rows.
    LearnedUpdateRule : Update rule that is fitted on recorded trainings.
    SGD : Step along the negative gradient, with or without momentum.

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
    >>> model = BackpropMLPClassifier(
    ...     update_rule=SignDescent(), max_iter=1000, random_state=0
    ... )
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    takes_steps = True
    adds_updates = True
    tests_convergence = False
    needs_fixed_loss = False
    resumable = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for verb, bound in _BOUND_VERBS.items():
            definer = next(
                vars(kind) for kind in cls.__mro__ if verb in vars(kind) or bound in vars(kind)
            )
            if bound not in definer and getattr(cls, bound) is not getattr(UpdateRule, bound):
                # The parent's bind would compute the parent's update: back to the default.
                setattr(cls, bound, getattr(UpdateRule, bound))

    @abstractmethod
    def compute_update(self, step: Step, state: Any) -> np.ndarray:
        """Compute the change of the parameters at this step.

        May be called at any time. A rule that binds arrays once per training binds them anew at
        every such call, which takes longer and gives the same numbers.

        Parameters
        ----------
        step : Step
            Values of this step; most rules need ``step.gradients`` alone.
        state : object
            The state from ``init_state``.

        Returns
        -------
        updates : ndarray of shape (n_params,)
            Added to the parameters. Of their dtype, or of float64, which is rounded. To fill
            ``step.updates`` in place and return it saves an allocation.
        """

    def bind(self, step: Step, state: Any) -> Callable[[], np.ndarray]:
        """Bind ``compute_update`` to one training; optional, for rules that save time by it.

        The loop calls it once per training, and so does everything else that goes through all
        steps. Objects that are made once for the arrays of a training, for example a kernel over
        them, belong into the function that is returned. They do not belong into the state, which
        outlives the training and its data.

        A class that overrides ``compute_update`` but not ``bind`` gets this default again, whatever
        its parent binds.

        Parameters
        ----------
        step : Step
            The training refills it at every step; its arrays keep their memory.
        state : object
            The state from ``init_state``, or from an earlier training.

        Returns
        -------
        bound : callable
            ``bound()`` is called once per step, when the step has been filled, and returns the
            same as ``compute_update(step, state)``, which it calls by default.
        """
        return partial(self.compute_update, step, state)

    def operations(self, step: Step, state: Any) -> list[Operation] | None:
        """Return the rule as elementwise operations; optional, for whole epochs without Python.

        Where nobody listens to steps, C runs the operations in place of ``compute_update``, on the
        gradient of a few rows of weights while it is in the first cache. The
        base class ``update_rules.elementwise.ElementwiseRule`` is for rules that consist of
        operations.

        Where a class overrides ``compute_update`` or ``bind`` but not this, its parent's operations
        are not used.

        Parameters
        ----------
        step : Step
            The training refills it at every step; its arrays keep their memory.
        state : object
            The state from ``init_state``, or from an earlier training.

        Returns
        -------
        operations : list of Operation, or None
            They fill ``step.updates``. None, the default, if the rule is not elementwise.
        """
        return None

    def valid_operations(self, step: Step, state: Any) -> list[Operation] | None:
        """Return ``operations`` unless the class overrides ``compute_update`` or ``bind`` alone."""
        return self.operations(step, state) if self._goes_with_update("operations") else None

    @classmethod
    def _goes_with_update(cls, verb: str) -> bool:
        """Return whether a method says what the update is: no class below its own overrides that.

        It is found when it is needed, because a class that a worker process makes anew gets its
        methods after ``__init_subclass__``.
        """
        verbs = {"compute_update", "bind", verb}
        return verb in next(vars(kind) for kind in cls.__mro__ if not verbs.isdisjoint(vars(kind)))

    def bind_quiet(self, params: np.ndarray, step: Step, state: Any) -> Any:
        """Return what takes the steps of epochs without Python; None, the default, for none.

        It changes ``params``. It is for rules with a kernel of their own, which are no list of
        operations. It has the
        ``kernel``, ``begin`` and ``end`` of
        ``update_rules.program.BoundProgram``. ``bind`` was called before.
        """
        return None

    def compute_deltas(self, step: Step, layer: int, state: Any) -> np.ndarray:
        """Compute the deltas of a hidden layer in place of rule (6), if ``acts_backward`` is True.

        It is called for every hidden layer from the last to the first. The gradients, and with them
        the updates, follow from these deltas.

        Parameters
        ----------
        step : Step
            Rule (6) uses ``step.deltas[layer + 1]``, ``step.coefs[layer + 1]`` and
            ``step.derivatives_of(layer)``. With dropout these derivatives include its factor, 0 for
            a dropped neuron. A rule without them sends errors through neurons that took no part.
            The gradients are not complete yet.
        layer : int
            Number of the hidden layer; 0 is the first.
        state : object
            The state from ``init_state``.

        Returns
        -------
        deltas : ndarray of shape (n_patterns, n_neurons)
            Or ``step.backprop.deltas[layer]`` with its first ``n_patterns`` rows filled in place.
        """
        raise NotImplementedError(
            f"{type(self).__name__} says acts_backward and has no compute_deltas."
        )

    def bind_deltas(self, step: Step, state: Any) -> Callable[[int], None]:
        """Bind ``compute_deltas`` to one training, as ``bind`` binds ``compute_update``.

        Parameters
        ----------
        step : Step
            The training refills it at every step; its arrays keep their memory.
        state : object
            The state from ``init_state``.

        Returns
        -------
        send_back : callable
            ``send_back(layer)`` fills the first ``step.n_patterns`` rows of
            ``step.backprop.deltas[layer]``, by default with the array from ``compute_deltas``.
        """

        def send_back(layer: int) -> None:
            try:
                deltas = self.compute_deltas(step, layer, state)
            except ValueError as error:
                explain_read_only(error, self)
                raise
            write_deltas(self, layer, deltas, step.backprop.deltas[layer], step.n_patterns)

        return send_back
