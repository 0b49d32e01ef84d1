"""The base of wrappers, which are rules around another rule."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_metabp.network import ParameterLayout, Step
from sklearn_metabp.update_rules.checks import bind_validated, validate_update
from sklearn_metabp.update_rules.operation import Operation
from sklearn_metabp.update_rules.resolve import resolve_update_rule
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule


class WrapperRule(UpdateRule):
    """Base of wrappers: rules around another rule, the parameter ``rule``. Do not use it directly.

    The wrapped rule does all work that the wrapper does not change: the backward pass, plateaus,
    kept parameters. The state of the wrapper has the state of the wrapped rule under ``"rule"``.

    Attributes
    ----------
    alters_updates : bool
        True if some updates are not those of the wrapped rule. False unless a subclass sets it.
    follows_updates : bool
        True if the state follows the weights by adding up the updates. Then every update must be
        added unchanged, and no wrapper that alters updates may be around it. False unless a
        subclass sets it.
    """

    alters_updates: ClassVar[bool] = False
    follows_updates: ClassVar[bool] = False

    rule: "str | TrainingRule | FrozenEstimator | None"

    @property
    def inner(self) -> UpdateRule:
        """The wrapped rule, resolved if it is given by its name.

        Raises
        ------
        TypeError
            If it is no rule that takes single steps.
        """
        return self._resolve(self.rule, "rule")

    def rules_within(self) -> Iterator[UpdateRule]:
        """Iterate over the wrapped rule, the wrapped rule that, and so on."""
        rule: UpdateRule = self
        while isinstance(rule, WrapperRule):
            rule = rule.inner
            yield rule

    def _resolve(self, given: Any, name: str) -> UpdateRule:
        # An unfitted rule is an error only when a training begins: inner_state raises it.
        rule = given if isinstance(given, TrainingRule) else resolve_update_rule(given, name)
        if not rule.takes_steps:
            raise TypeError(
                f"{type(self).__name__} changes single steps and cannot wrap "
                f"{type(rule).__name__}, which searches along lines: pass {type(rule).__name__}() "
                "as update_rule itself."
            )
        return cast("UpdateRule", rule)

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """The value of the wrapped rule."""
        return self.inner.acts_backward

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """The value of the wrapped rule."""
        return self.inner.replayable

    @property
    def full_batch(self) -> bool:  # type: ignore[override]
        """The value of the wrapped rule."""
        return self.inner.full_batch

    @property
    def sets_dropout(self) -> bool:  # type: ignore[override]
        """The value of the wrapped rule."""
        return self.inner.sets_dropout

    @property
    def trains_extras(self) -> bool:  # type: ignore[override]
        """The value of the wrapped rule."""
        return self.inner.trains_extras

    @abstractmethod
    def init_state(self, layout: ParameterLayout) -> dict[str, Any]:
        """Start the state, the inner one under ``"rule"``. See :meth:`UpdateRule.init_state`."""

    def inner_state(self, layout: ParameterLayout) -> Any:
        """Start the state of the wrapped rule.

        Raises
        ------
        NotFittedError
            If the wrapped rule has not been fitted.
        TypeError
            If a wrapped rule follows updates that this rule alters.
        """
        if self.alters_updates:
            for rule in self.rules_within():
                if isinstance(rule, WrapperRule) and rule.follows_updates:
                    raise TypeError(self._explain_order(rule))
        return resolve_update_rule(self.inner, "rule").init_state(layout)

    def _explain_order(self, within: "WrapperRule") -> str:
        own, other = type(self).__name__, type(within).__name__
        advice = (
            "one of them has to go."
            if within.alters_updates and self.follows_updates
            else f"write {other}({own}(...))."
        )
        return (
            f"{own} changes the updates of {other}, which needs all its updates unchanged: {advice}"
        )

    def inner_update(self, step: Step, state: dict[str, Any]) -> np.ndarray:
        """Compute the update of the wrapped rule, and validate it as the loop does."""
        rule = self.inner
        return validate_update(rule, rule.compute_update(step, state["rule"]), step.updates)

    def bind_inner(self, step: Step, state: dict[str, Any]) -> Callable[[], np.ndarray]:
        """Bind the wrapped rule to one training, and validate its updates."""
        return bind_validated(self.inner, step, state["rule"])

    def inner_operations(self, step: Step, state: dict[str, Any]) -> list[Operation] | None:
        """Return the operations of the wrapped rule, or None."""
        return self.inner.valid_operations(step, state["rule"])

    def compute_deltas(self, step: Step, layer: int, state: dict[str, Any]) -> np.ndarray:
        """Compute the deltas of the wrapped rule. See :meth:`UpdateRule.compute_deltas`."""
        return self.inner.compute_deltas(step, layer, state["rule"])

    def bind_deltas(self, step: Step, state: dict[str, Any]) -> Callable[[int], None]:
        """Bind the deltas of the wrapped rule. See :meth:`UpdateRule.bind_deltas`."""
        return self.inner.bind_deltas(step, state["rule"])

    def on_plateau(self, state: dict[str, Any]) -> bool:
        """Let the wrapped rule react. See :meth:`UpdateRule.on_plateau`."""
        return self.inner.on_plateau(state["rule"])

    def on_validation(self, validation_loss: float, score: float, state: dict[str, Any]) -> None:
        """Let the wrapped rule react. See :meth:`UpdateRule.on_validation`."""
        self.inner.on_validation(validation_loss, score, state["rule"])

    def measure(self, params: np.ndarray, step: Step, state: dict[str, Any]) -> None:
        """Let the wrapped rule measure. See :meth:`UpdateRule.measure`."""
        self.inner.measure(params, step, state["rule"])

    def kept_params(self, params: np.ndarray, state: dict[str, Any]) -> np.ndarray:
        """Return the parameters that the wrapped rule keeps. See :meth:`UpdateRule.kept_params`."""
        return self.inner.kept_params(params, state["rule"])

    def on_new_params(self, state: dict[str, Any]) -> None:
        """Let the wrapped rule react. See :meth:`UpdateRule.on_new_params`."""
        self.inner.on_new_params(state["rule"])

    def schedule_has_ended(self, n_steps: int, n_planned: int) -> bool:
        """Return the answer of the wrapped rule. See :meth:`UpdateRule.schedule_has_ended`."""
        return self.inner.schedule_has_ended(n_steps, n_planned)

    def state_key(self) -> tuple:
        """Return the class and the key of the wrapped rule. See :meth:`UpdateRule.state_key`."""
        return type(self), self.inner.state_key()
