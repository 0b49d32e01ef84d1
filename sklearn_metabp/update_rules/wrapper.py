"""Rules around rules."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

from sklearn_metabp.update_rules.checks import bind_validated, validate_update
from sklearn_metabp.update_rules.resolve import resolve_update_rule
from sklearn_metabp.update_rules.training_rule import TrainingRule
from sklearn_metabp.update_rules.update_rule import UpdateRule


class WrapperRule(UpdateRule):
    """Base of rules around a rule, its parameter ``rule``; not to be used directly.

    What it does not change it leaves to the rule within: the way back, plateaus, kept parameters.
    Its state has that rule's under ``"rule"``.
    """

    rule: Any

    @property
    def inner(self) -> UpdateRule:
        """The rule within, whatever stands for it.

        Raises
        ------
        TypeError
            If it searches along lines.
        """
        return self._resolved(self.rule, "rule")

    def rules_within(self) -> Iterator[UpdateRule]:
        """The rule within, the one within that, and so on."""
        rule: UpdateRule = self
        while isinstance(rule, WrapperRule):
            rule = rule.inner
            yield rule

    def _resolved(self, given, name: str) -> UpdateRule:
        # An unfitted rule is no error yet: its parameters can be looked at.
        rule = given if isinstance(given, TrainingRule) else resolve_update_rule(given, name)
        if not rule.takes_steps:
            raise TypeError(
                f"{type(self).__name__} changes single steps and cannot wrap {type(rule).__name__}, which "
                f"searches along lines: pass {type(rule).__name__}() as update_rule itself."
            )
        return cast("UpdateRule", rule)

    @property
    def acts_backward(self) -> bool:  # type: ignore[override]
        """As the rule within."""
        return self.inner.acts_backward

    @property
    def replayable(self) -> bool:  # type: ignore[override]
        """As the rule within."""
        return self.inner.replayable

    @property
    def full_batch(self) -> bool:  # type: ignore[override]
        """As the rule within."""
        return self.inner.full_batch

    @abstractmethod
    def init_state(self, layout):
        """State of the rule within under ``"rule"``; see :meth:`UpdateRule.init_state`."""

    def inner_state(self, layout) -> Any:
        """Fresh state of the rule within; NotFittedError if that is learned and has not been fitted."""
        return resolve_update_rule(self.inner, "rule").init_state(layout)

    def inner_update(self, step, state) -> np.ndarray:
        """What the rule within says, checked as the loop checks it."""
        rule = self.inner
        return validate_update(rule, rule.compute_update(step, state["rule"]), step.updates)

    def bind_inner(self, step, state) -> Callable[[], np.ndarray]:
        """Bind the rule within to one training: ``inner_update`` without arguments, for ``bind``."""
        return bind_validated(self.inner, step, state["rule"])

    def compute_deltas(self, step, layer, state):
        """What the rule within sends back; see :meth:`UpdateRule.compute_deltas`."""
        return self.inner.compute_deltas(step, layer, state["rule"])

    def bind_deltas(self, step, state):
        """What the rule within sends back; see :meth:`UpdateRule.bind_deltas`."""
        return self.inner.bind_deltas(step, state["rule"])

    def on_plateau(self, state):
        """What the rule within does; see :meth:`UpdateRule.on_plateau`."""
        return self.inner.on_plateau(state["rule"])

    def measure(self, params, step, state):
        """What the rule within measures; see :meth:`UpdateRule.measure`."""
        self.inner.measure(params, step, state["rule"])

    def kept_params(self, params, state):
        """What the rule within keeps; see :meth:`UpdateRule.kept_params`."""
        return self.inner.kept_params(params, state["rule"])

    def on_new_params(self, state):
        """What the rule within does; see :meth:`UpdateRule.on_new_params`."""
        self.inner.on_new_params(state["rule"])

    def schedule_has_ended(self, n_steps, n_planned):
        """As the rule within; see :meth:`UpdateRule.schedule_has_ended`."""
        return self.inner.schedule_has_ended(n_steps, n_planned)

    def state_key(self):
        """Its class and the key of the rule within; see :meth:`UpdateRule.state_key`."""
        return type(self), self.inner.state_key()
