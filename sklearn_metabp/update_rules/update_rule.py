"""The base class of update rules: two methods, and two that bind them to one training."""

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

    A rule consists of its hyperparameters. The data that change from step to step are its state,
    which belongs to the training. So one rule may train many networks at once, and ``clone``,
    ``get_params`` and ``update_rule__learning_rate`` work as for any estimator.

    To write a rule, make a subclass with the hyperparameters in ``__init__`` and the two methods
    ``init_state`` and ``compute_update``.

    Attributes
    ----------
    replayable : bool
        True if ``compute_update`` depends only on the step and the state, so that the same start
        gives an identical training. :class:`TraceRecorder` then need not copy every step. False
        unless a subclass sets it.
    acts_backward : bool
        True if the rule also computes the deltas of hidden layers, by ``compute_deltas``, in place
        of rule (6). False unless a subclass sets it.
    full_batch : bool
        True if ``batch_size="auto"`` means all rows. This suits rules that compare a gradient with
        the last one. False unless a subclass sets it.
    sets_dropout : bool
        True if the rule sets the share of dropped neurons of every hidden layer, by writing to
        ``step.dropout``. The values apply from the next step on. Values for a continued training
        belong into the state, and ``bind`` writes them to ``step.dropout``. False unless a subclass
        sets it.
    trains_extras : bool
        True if the rule also updates the extras: parameters other than weights and biases, which
        come last in the flat vector. True unless a subclass sets it.

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
    >>> print(f"accuracy {model.fit(X, y).score(X, y):.2f}")
    accuracy 0.97
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
                # The bind of the parent would compute the update of the parent, so use the default.
                setattr(cls, bound, getattr(UpdateRule, bound))

    @abstractmethod
    def compute_update(self, step: Step, state: Any) -> np.ndarray:
        """Compute the change of the parameters at this step.

        It may be called at any time. A rule that binds arrays once per training binds them anew in
        every such call, which takes longer and gives the same numbers.

        Parameters
        ----------
        step : Step
            Values of this step. Most rules need only ``step.gradients``.
        state : object
            The state from ``init_state``.

        Returns
        -------
        updates : ndarray of shape (n_params,)
            The change that is added to the parameters. It has their dtype, or float64, which is
            rounded. It saves memory to fill ``step.updates`` and to return it.
        """

    def bind(self, step: Step, state: Any) -> Callable[[], np.ndarray]:
        """Bind ``compute_update`` to one training (optional, to save time).

        The loop calls it once per training, and so does all other code that runs through all steps.
        Objects for the arrays of one training, for example a kernel over them, belong into the
        returned function. They do not belong into the state, which exists longer than the training
        and its data.

        If a class overrides ``compute_update`` but not ``bind``, it gets this default again, also
        if its parent overrides ``bind``.

        Parameters
        ----------
        step : Step
            The training fills it again at every step. The memory of its arrays stays the same.
        state : object
            The state from ``init_state``, or from an earlier training.

        Returns
        -------
        bound : callable
            ``bound()`` is called once per step, after the step was filled. It returns the same as
            ``compute_update(step, state)``, which it calls by default.
        """
        return partial(self.compute_update, step, state)

    def operations(self, step: Step, state: Any) -> list[Operation] | None:
        """Return the rule as elementwise operations (optional, for epochs without Python).

        If no callback receives steps, C runs the operations in place of ``compute_update``, on the
        gradient of a few rows of weights while it is in the first cache. The base class
        ``update_rules.elementwise.ElementwiseRule`` is for rules that consist of
        operations.

        If a class overrides ``compute_update`` or ``bind`` but not this method, the operations of
        its parent are not used.

        Parameters
        ----------
        step : Step
            The training fills it again at every step. The memory of its arrays stays the same.
        state : object
            The state from ``init_state``, or from an earlier training.

        Returns
        -------
        operations : list of Operation, or None
            They fill ``step.updates``. None, the default, if the rule is not elementwise.
        """
        return None

    def valid_operations(self, step: Step, state: Any) -> list[Operation] | None:
        """Return ``operations``, or None if a class overrides only one of the other methods."""
        return self.operations(step, state) if self._goes_with_update("operations") else None

    @classmethod
    def _goes_with_update(cls, verb: str) -> bool:
        """Return whether a method is valid: no subclass of its class overrides the update.

        This is computed on demand, because a class that a worker process makes anew gets its
        methods after ``__init_subclass__``.
        """
        verbs = {"compute_update", "bind", verb}
        return verb in next(vars(kind) for kind in cls.__mro__ if not verbs.isdisjoint(vars(kind)))

    def bind_quiet(self, params: np.ndarray, step: Step, state: Any) -> Any:
        """Return an object that takes the steps of epochs without Python, or None, the default.

        The object changes ``params``. It is for rules that have their own kernel and no list of
        operations. It has the attributes ``kernel``, ``begin`` and ``end`` of
        ``update_rules.program.BoundProgram``. ``bind`` was called before.
        """
        return None

    def compute_deltas(self, step: Step, layer: int, state: Any) -> np.ndarray:
        """Compute the deltas of a hidden layer in place of rule (6), if ``acts_backward`` is True.

        It is called for every hidden layer, from the last to the first. The gradients are computed
        from these deltas, and the updates from the gradients.

        Parameters
        ----------
        step : Step
            Rule (6) uses ``step.deltas[layer + 1]``, ``step.coefs[layer + 1]`` and
            ``step.derivatives_of(layer)``. With dropout these derivatives include its factor, 0 for
            a dropped neuron. A rule that does not use them sends errors through dropped neurons.
            The gradients are not complete yet.
        layer : int
            Number of the hidden layer. 0 is the first.
        state : object
            The state from ``init_state``.

        Returns
        -------
        deltas : ndarray of shape (n_patterns, n_neurons)
            The deltas, or ``step.backprop.deltas[layer]`` with the first ``n_patterns`` rows
            filled.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has acts_backward=True but no compute_deltas."
        )

    def bind_deltas(self, step: Step, state: Any) -> Callable[[int], None]:
        """Bind ``compute_deltas`` to one training, as ``bind`` binds ``compute_update``.

        Parameters
        ----------
        step : Step
            The training fills it again at every step. The memory of its arrays stays the same.
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
