"""The curves of a training, as attributes of a fitted estimator."""

from typing import Any

import numpy as np

from sklearn_metabp.estimators._weights import explain_lack


class TrainingCurves:
    """Attributes that are computed from the state of the training on access.

    So a series of ``partial_fit`` calls does not copy the whole curve in every call.
    """

    tied_epochs: str

    def _training(self, name: str) -> Any:
        try:
            return self.__dict__["_training_state"]
        except KeyError:
            raise AttributeError(explain_lack(self, name)) from None

    @property
    def loss_curve_(self) -> list[float]:
        """Mean loss of every epoch."""
        return list(self._training("loss_curve_").loss_curve)

    @property
    def loss_(self) -> float:
        """Mean loss of the last epoch."""
        state = self._training("loss_")
        return state.loss_curve[-1] if state.loss_curve else state.start_loss

    @property
    def best_loss_(self) -> float:
        """Lowest mean loss of an epoch."""
        state = self._training("best_loss_")
        return min(state.loss_curve, default=state.start_loss)

    @property
    def validation_scores_(self) -> list[float] | None:
        """Score or NaN on the validation rows after every epoch, or None without such rows."""
        state = self._training("validation_scores_")
        return state.curve(state.validation_scores) if state.validation_scores else None

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """Mean loss on the validation rows after every epoch, or None if there were none."""
        state = self._training("validation_loss_curve_")
        return state.curve(state.validation_loss_curve) if state.validation_scores else None

    @property
    def best_validation_score_(self) -> float | None:
        """Highest score since the validation rows or the scoring last changed, or None."""
        state = self._training("best_validation_score_")
        return state.best_score if state.validation_scores else None

    @property
    def best_epoch_(self) -> int | None:
        """Number, from 1, of the epoch with this score, by ``tied_epochs``. None without scores."""
        state = self._training("best_epoch_")
        epochs = np.flatnonzero(np.asarray([*state.validation_scores]) == state.best_score)
        if not len(epochs):
            return None
        return 1 + int(epochs[-1 if self.tied_epochs == "last" else 0])
