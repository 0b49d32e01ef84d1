"""The base of the recurrent estimators: sequences, parameters, network."""

from abc import abstractmethod
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_metabp._kernels.recurrent.cells import CELLS
from sklearn_metabp.estimators._base import BaseBackprop
from sklearn_metabp.estimators._parameters import PARAMETERS_ELSEWHERE, check_dropout
from sklearn_metabp.estimators._rows import Rows, check_weight
from sklearn_metabp.estimators._sequences import check_sequences, check_sequences_and_y
from sklearn_metabp.network import (
    HIDDEN_ACTIVATIONS,
    INITIALIZERS,
    ROW_STARTS,
    BaseNetwork,
    ParameterLayout,
    RecurrentNetwork,
)
from sklearn_metabp.targets import Targets
from sklearn_metabp.targets.sequences import SequenceTargets, steps_of
from sklearn_metabp.targets.targets import TargetsOfY
from sklearn_metabp.update_rules import TrainingRule


class BaseBackpropRNN(BaseBackprop):
    """Base class of the recurrent estimators."""

    _parameters_elsewhere = {
        **{
            name: "hidden_size" if counterpart == "hidden_layer_sizes" else counterpart
            for name, counterpart in PARAMETERS_ELSEWHERE.items()
        },
        "hidden_layer_sizes": "hidden_size, the number of neurons of the one recurrent layer",
    }
    _parameter_constraints: dict = {
        **BaseBackprop._parameter_constraints,
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "cell": [StrOptions(set(CELLS))],
        "activation": [StrOptions(set(HIDDEN_ACTIVATIONS))],
        "init": [StrOptions(set(INITIALIZERS) - set(ROW_STARTS)), callable],
        "return_sequences": ["boolean"],
        "n_timesteps": [Interval(Integral, 1, None, closed="left"), None],
        "bptt_steps": [Interval(Integral, 1, None, closed="left"), None],
    }

    targets_: TargetsOfY

    @abstractmethod
    def __init__(
        self,
        hidden_size: int,
        cell: str,
        activation: str,
        return_sequences: bool,
        n_timesteps: int | None,
        bptt_steps: int | None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.hidden_size = hidden_size
        self.cell = cell
        self.activation = activation
        self.return_sequences = return_sequences
        self.n_timesteps = n_timesteps
        self.bptt_steps = bptt_steps

    @abstractmethod
    def _learn_step_targets(self, y: Any, classes: Any) -> TargetsOfY:
        """Return targets that are learned from the values of y at all outputs."""

    def _learn_targets(self, rows: Rows, classes: Any) -> TargetsOfY:
        if not self.return_sequences:
            return self._learn_step_targets(rows.y, classes)
        return SequenceTargets(self._learn_step_targets(steps_of(rows.y), classes))

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_name: str = "y"
    ) -> Rows:
        X, y = check_sequences_and_y(self, X, y, y_name, reset=reset)
        return Rows(X, y, check_weight(sample_weight, X))

    def _new_network(
        self,
        X: Any,
        n_outputs: int,
        dtype: np.dtype,
        targets: Targets,
        rule: TrainingRule,
        before: BaseNetwork | None,
    ) -> RecurrentNetwork:
        if rule.acts_backward:
            raise ValueError(
                f"{type(rule).__name__} computes the errors of a layer from the next layer only, "
                "but a recurrent layer also gets errors from its next time step: use another rule."
            )
        return RecurrentNetwork(
            ParameterLayout((X.shape[2], int(self.hidden_size), n_outputs), dtype, self.cell),
            (self.activation,),
            targets.out_activation,
            self.loss,
            self.alpha,
            check_dropout(self.dropout, self.dropout_schedule, rule),
            targets.out_groups,
            every_step=bool(self.return_sequences),
            bptt_steps=self.bptt_steps,
            dropout_schedule=self.dropout_schedule,
        )

    def _outputs(self, X: Any) -> np.ndarray:
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)
        return self.network_.outputs(self.params_, check_sequences(self, X, reset=False))

    def _score(self, X: Any, y: Any, sample_weight: Any) -> float:
        """Return the score of the targets."""
        check_is_fitted(self)
        if self.return_sequences:
            X, y = check_sequences_and_y(self, X, y, "y", reset=False)
        return self.targets_.score(y, self._outputs(X), sample_weight)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
