"""A training that can be repeated step by step."""

import copy
import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from joblib import wrap_non_picklable_objects
from scipy.sparse import csr_array

from sklearn_metabp._kernels.network.sparse_targets import SparseTargets
from sklearn_metabp._kernels.threads import one_blas_thread
from sklearn_metabp.network import BaseNetwork, Step
from sklearn_metabp.tracing.shared_arrays import shared_copy
from sklearn_metabp.training.batches import Batches
from sklearn_metabp.training.curve import Curve
from sklearn_metabp.training.epochs import Epochs
from sklearn_metabp.training.state import TrainingState
from sklearn_metabp.update_rules import UpdateRule


class Replay:
    """All data that determine a training, to repeat its steps.

    The steps are identical to those of the training if the rule is a function of the step and its
    state. A new replay is valid until the training begins. :meth:`kept` returns a copy that remains
    valid.

    Attributes
    ----------
    network : BaseNetwork
    first_index : int
        Number of the first step in the training, from 1.
    max_epochs : int
    n_planned : int
        Number of steps of the training if nothing stops it.
    dtype : dtype
        Dtype of the parameters.
    """

    def __init__(
        self,
        network: BaseNetwork,
        batches: Batches,
        rule: UpdateRule,
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
        """Number of rows of the largest batch."""
        return min(self._batches.size, len(self._batches))

    @property
    def data_bytes(self) -> int:
        """Number of bytes of the rows that the steps are computed from."""
        X, targets, weight = self._batches.X, self._batches.targets, self._batches.sample_weight
        arrays = [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
        arrays += (
            [targets] if isinstance(targets, np.ndarray) else [targets.neurons, targets.indptr]
        )
        return sum(array.nbytes for array in (*arrays, weight) if array is not None)

    def kept(self) -> "Replay":
        """Return a copy that remains valid. Several replays share equal data."""
        shared = copy.copy(self)
        shared.network, shared._batches = copy.copy(self.network), _shared(self._batches)
        # No step reads the validation scores or the memory of callbacks, and both grow with the
        # training. The loss curve is kept, because it counts the epochs. The copies share one list.
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
        """Return whether the rule can be pickled, with its code if ``by_value`` is True.

        The schedule of the dropout may be a function of the user too. All other data can always be
        pickled.
        """
        try:
            rule = self._rule, self._state, self.network
            pickle.dumps(wrap_non_picklable_objects(rule) if by_value else rule)
        except Exception:  # a user's rule may raise anything
            return False
        return True

    def steps(self) -> Iterator[Step]:
        """Repeat the steps, from the first one to the last planned one.

        Yields
        ------
        step : Step
            The same object every time, refilled, so it is valid until the next one. BLAS has one
            thread until the iterator is exhausted, closed or deleted.
        """
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
                yields_steps=True,
            )
            for _ in range(self.max_epochs):
                yield from epochs.run_one()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._batches = _shared(self._batches)


def _shared(batches: Batches) -> Batches:
    """Return the batches with arrays that are shared by all batches with equal rows."""
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
