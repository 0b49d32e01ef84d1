"""Fitted models without the state of their training, to predict with."""

import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp.training import TrainingState

# Fitted attributes that only a training needs.
_OF_TRAINING = ("_training_state", "_params_checksum", "_fit_size", "update_rule_")


class Compactable:
    """The method ``compact``, and the error of a compact model that shall continue to train."""

    _members: list[Any] | None

    def compact(self, *, dtype: DTypeLike | None = None) -> Self:
        """Return a copy that predicts the same and has no training state.

        The training state has the moments of the update rule, the order of the rows, the curves and
        more: for Adam about twice the memory of the parameters. Save a compact copy where the model
        only predicts. Callbacks are left out too.

        Parameters
        ----------
        dtype : dtype, default=None
            Type of the parameters, float32 or float64; None keeps it. float32 halves the memory of
            float64. X is converted to this type, so predictions change by rounding, some 1e-7 of
            their size.

        Returns
        -------
        model : estimator
            A fitted estimator with the same parameters. It has no ``loss_curve_``, no other curve
            and no ``update_rule_``. ``fit`` trains a new network. ``partial_fit``, and ``fit`` with
            ``warm_start=True``, raise ValueError.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If dtype is neither float32 nor float64.

        Examples
        --------
        >>> import pickle
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_metabp import BackpropMLPClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> model = BackpropMLPClassifier(tol=0.01, random_state=0).fit(X / 16, y)
        >>> compact = model.compact(dtype="float32")
        >>> [round(len(pickle.dumps(one)) / 1000) for one in (model, model.compact(), compact)]
        [..., 62, 32]
        >>> float((compact.predict(X / 16) == model.predict(X / 16)).mean())
        1.0
        """
        check_is_fitted(self)
        small: Any = copy.copy(self)
        small.set_callbacks()
        for name in _OF_TRAINING:
            vars(small).pop(name, None)
        if dtype is not None and np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64 or None, got {dtype!r}.")
        dtype = small.layout_.dtype if dtype is None else np.dtype(dtype)
        small.layout_ = replace(small.layout_, dtype=dtype)
        small.network_ = replace(small.network_, layout=small.layout_)
        if self._members:
            small._members = [member.compact(dtype=dtype) for member in self._members]
        else:
            small._params = small._params.astype(dtype)
        return small

    def _state_of_training(self) -> TrainingState:
        """Return the training state, or raise ValueError if the model has none."""
        try:
            return vars(self)["_training_state"]
        except KeyError:
            raise ValueError(
                f"This {type(self).__name__} has no training state to continue from, because it is "
                "compact. Continue the model that compact() was called on, or set "
                "warm_start=False and call fit to train a new network."
            ) from None
