"""A training that can be gone through again."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from joblib import wrap_non_picklable_objects
from scipy.sparse import csr_array

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import Step
from sklearn_metabp.tracing.shared_arrays import shared_copy
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.curve import Curve
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.state import TrainingState


class Replay:
    """All that a training is computed from: to go through its steps again.

    The bits are those of the training as long as the rule is a function of the step and its state.
    A replay made here is good until the training begins; :meth:`kept` makes one that stays good.

    Attributes
    ----------
    network : Network
    first_index : int
        Number of the first step in the training, from 1.
    max_epochs : int
    n_planned : int
        Steps that the training takes if nothing stops it.
    dtype : dtype
        Of the parameters.
    """

    def __init__(
        self,
        network,
        batches: Batches,
        rule,
        state: TrainingState,
        max_epochs: int,
        planned_epochs: int | None,
    ):
        self.network, self.max_epochs, self._planned_epochs = network, max_epochs, planned_epochs
        self._batches, self._rule, self._state = batches, rule, state
        self.dtype = network.layout.dtype
        self.first_index, self.n_planned = state.n_steps + 1, max_epochs * batches.n_batches

    @property
    def n_patterns(self) -> int:
        """Rows of the largest batch."""
        return min(self._batches.size, len(self._batches))

    @property
    def data_bytes(self) -> int:
        """Bytes of the rows that the steps are computed from."""
        X, targets, weight = self._batches.X, self._batches.targets, self._batches.sample_weight
        arrays = [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
        arrays += (
            [targets] if isinstance(targets, np.ndarray) else [targets.neurons, targets.indptr]
        )
        return sum(array.nbytes for array in (*arrays, weight) if array is not None)

    def kept(self) -> "Replay":
        """A copy that nothing changes any more; equal data of several replays are held once."""
        shared = copy.copy(self)
        shared.network, shared._batches = copy.copy(self.network), _shared(self._batches)
        # No step reads the validation or what callbacks remember, and both grow with the training.
        # The curve of the loss counts the epochs; its copies share one list.
        state = replace(
            self._state,
            validation_scores=Curve(),
            validation_loss_curve=Curve(),
            best_params=None,
            split_random_state=None,
            callback_memory={},
            order=None,
        )
        shared._rule, shared._state = copy.deepcopy((self._rule, state))
        return shared

    def is_picklable(self, by_value: bool) -> bool:
        """Whether the rule can be written to a pickle, be it with its code; all the rest can."""
        try:
            rule = self._rule, self._state
            pickle.dumps(wrap_non_picklable_objects(rule) if by_value else rule)
        except Exception:  # whatever the rule raises
            return False
        return True

    def walk(self, visit: Callable[[Step], bool]) -> None:
        """Go through the steps, from the first, for as long as ``visit`` returns True."""
        rule, state = copy.deepcopy((self._rule, self._state))
        order = None if self._batches.order is None else self._batches.order.copy()
        batches = replace(self._batches, order=order)
        with one_blas_thread():
            epochs = Epochs(
                self.network,
                batches,
                rule,
                state,
                self.max_epochs,
                self._planned_epochs,
                _Visitor(visit),
            )
            try:
                for _ in range(self.max_epochs):
                    epochs.run_one()
            except _EnoughError:
                pass

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._batches = _shared(self._batches)


def _shared(batches: Batches) -> Batches:
    """The same rows in arrays that others with equal rows hold too."""
    X, targets, weight, order = batches.X, batches.targets, batches.sample_weight, batches.order
    if isinstance(X, np.ndarray):
        X = shared_copy(X)
    else:
        arrays = shared_copy(X.data), shared_copy(X.indices), shared_copy(X.indptr)
        X = csr_array(arrays, shape=X.shape, copy=False)
    targets = (
        targets.with_arrays(shared_copy)
        if isinstance(targets, SparseTargets)
        else shared_copy(targets)
    )
    return replace(
        batches,
        X=X,
        targets=targets,
        sample_weight=None if weight is None else shared_copy(weight),
        order=None if order is None else shared_copy(order),
    )


class _EnoughError(Exception):
    """The visitor has seen what it came for."""


class _Visitor:
    """A listener that stops the training when it has seen enough."""

    wants_start, wants_steps = False, True

    def __init__(self, visit):
        self._visit = visit

    def step_ends(self, step):
        if not self._visit(step):
            raise _EnoughError
