"""Displays of trainings and learned rules, in the style of scikit-learn.

matplotlib is imported when a display draws.
"""

from sklearn_metabp.plotting.controller import ControllerDisplay
from sklearn_metabp.plotting.diagnosis import DiagnosisDisplay
from sklearn_metabp.plotting.imitation import ImitationDisplay
from sklearn_metabp.plotting.learned_rule import LearnedRuleDisplay
from sklearn_metabp.plotting.loss_curve import LossCurveDisplay
from sklearn_metabp.plotting.rule_comparison import RuleComparisonDisplay
from sklearn_metabp.plotting.step import StepDisplay
from sklearn_metabp.plotting.style import figure_style
from sklearn_metabp.plotting.trace import TraceDisplay
from sklearn_metabp.plotting.update_rule import UpdateRuleDisplay

__all__ = [
    "ControllerDisplay",
    "DiagnosisDisplay",
    "ImitationDisplay",
    "LearnedRuleDisplay",
    "LossCurveDisplay",
    "RuleComparisonDisplay",
    "StepDisplay",
    "TraceDisplay",
    "UpdateRuleDisplay",
    "figure_style",
]
