"""The table of checks of a diagnosis, with their texts."""

from collections.abc import Callable
from dataclasses import dataclass

from sklearn_metabp.diagnostics import (
    data_checks,
    ending_checks,
    neuron_checks,
    step_checks,
)
from sklearn_metabp.diagnostics.course import Course
from sklearn_metabp.diagnostics.evidence import Evidence
from sklearn_metabp.network import BaseNetwork


@dataclass(frozen=True)
class Networks:
    """The networks that a check works for.

    Attributes
    ----------
    include : callable
        ``include(network)`` returns whether a check works for a network.
    words : str
        The property of these networks, as a text.
    """

    include: Callable[[BaseNetwork], bool]
    words: str


ALL = Networks(lambda network: True, "")
LAYERED = Networks(
    lambda network: network.layout.recurrence is None, "a network without recurrent layer"
)
UNGATED = Networks(
    lambda network: network.layout.recurrence is None or network.layout.recurrence.has_activation,
    "neurons without gates",
)


@dataclass(frozen=True)
class Check:
    """A check for one problem of a training.

    Attributes
    ----------
    name : str
    evidence : callable
        ``evidence(course)`` returns the evidence, or None if the course lacks necessary data.
    threshold : float
        Smallest value of the evidence that is a finding.
    words : str
        The verdict, with the facts of the evidence in braces, and ``{since}`` and ``{layer}``.
    advice : str
        The advice, in the same form.
    needs : str
        The data that it needs, for the list of checks that were not possible.
    networks : Networks
        The networks that it works for.
    after : tuple of str
        Earlier checks whose problems must be solved first, because this problem is their effect, or
        because its advice contradicts theirs.
    is_problem : bool
        False for facts that are almost harmless by themselves.
    """

    name: str
    evidence: Callable[[Course], Evidence | None]
    threshold: float
    words: str
    advice: str
    needs: str = "more steps"
    networks: Networks = ALL
    after: tuple[str, ...] = ()
    is_problem: bool = True


# A training that ended before its first observed step has no course, and no other finding.
NO_STEP = Check(
    "no step",
    lambda course: None,
    1.0,
    "the training ended before its first step, by {error}",
    "solve this error: nothing else is known about the training",
)

# Problems that keep a network from learning much, for the `after` of checks.
LOST_NEURONS = ("equal neurons", "dead neurons", "saturated neurons")
LITTLE_LEARNED = (
    "rate too high",
    "unscaled inputs",
    "unscaled targets",
    *LOST_NEURONS,
    "exploding gradients",
    "vanishing gradients",
    "decay too strong",
    "dropout too strong",
    "rate too low",
)

# Causes come before their effects, and a diagnosis keeps this order.
CHECKS = (
    Check(
        "rate too high",
        step_checks.rate_too_high,
        2.5,
        "steps are {times} times too long from {since}: {outcome}",
        "lower the learning rate by that factor, or wrap the rule in Clipped",
    ),
    Check(
        "unscaled inputs",
        data_checks.unscaled_inputs,
        15.0,
        "{column} has mean {mean:.3g} and standard deviation {deviation:.3g}",
        "scale X, for example by StandardScaler in a pipeline",
    ),
    Check(
        "unscaled targets",
        data_checks.unscaled_targets,
        1.0,
        "output {output} of y has mean {mean:.3g} and standard deviation {deviation:.3g}",
        "scale y, for example by TransformedTargetRegressor with StandardScaler, or set "
        "init_output_bias='targets'",
    ),
    Check(
        "equal neurons",
        neuron_checks.equal_neurons,
        0.5,
        "hidden layer {layer}: {share:.0%} of the neurons have the same weights as another one, "
        "from {since} to the end",
        "start from random weights: equal neurons have equal gradients and stay equal",
    ),
    Check(
        "dead neurons",
        neuron_checks.dead_neurons,
        0.6,
        "hidden layer {layer}: {share:.0%} of the neurons are dead from {since}",
        "lower the learning rate, start biases at 0, or use leaky_relu, elu or gelu",
        networks=UNGATED,
        after=("rate too high", "unscaled inputs", "equal neurons"),
    ),
    Check(
        "saturated neurons",
        neuron_checks.saturated_neurons,
        0.8,
        "hidden layer {layer}: {share:.0%} of the activations are saturated from {since}",
        "start from smaller weights, scale X, lower the learning rate, or use relu",
        networks=UNGATED,
        after=("rate too high", "unscaled inputs"),
    ),
    Check(
        "exploding gradients",
        neuron_checks.exploding_gradients,
        30.0,
        "deltas grow {times} times on the way back {way}",
        "{remedy}",
        after=("rate too high",),
    ),
    Check(
        "vanishing gradients",
        neuron_checks.vanishing_gradients,
        1000.0,
        "deltas shrink {times} times on the way back {way}",
        "{remedy}",
        after=("rate too high", *LOST_NEURONS, "exploding gradients"),
    ),
    Check(
        "decay too strong",
        step_checks.decay_too_strong,
        1.0,
        "the penalty pulls the weights {pull:.2g} times as hard as the data; they end at "
        "{share:.0%} of their size",
        "lower alpha, or the decay of the rule",
        after=("rate too high",),
    ),
    Check(
        "dropout too strong",
        neuron_checks.dropout_too_strong,
        0.6,
        "with dropout={dropout:g} the loss stays at {level:.0%} of that of a constant; nothing "
        "dropped it is {without:.0%}",
        "lower dropout, or use more neurons",
        networks=LAYERED,
        after=("rate too high", *LOST_NEURONS),
    ),
    Check(
        "rate too low",
        step_checks.rate_too_low,
        200.0,
        "steps are {times} times too short: the loss ends at {level:.0%} of that of a "
        "constant and the gradient is as steep as at the start",
        "raise the learning rate",
        needs="the loss at both ends of steps",
        after=(
            "rate too high",
            "unscaled inputs",
            "unscaled targets",
            *LOST_NEURONS,
            "vanishing gradients",
        ),
    ),
    Check(
        "oscillation",
        step_checks.oscillation,
        0.2,
        "the loss rose in {rises} of the last {epochs} epochs, in sum by {sum:.2g} times that "
        "of a constant",
        "lower the momentum or the learning rate",
        needs="the noise of gradients",
        after=("rate too high", "rate too low"),
    ),
    Check(
        "noisy steps",
        step_checks.noisy_steps,
        0.004,
        "from {since}, the noise of batches of {batch} costs {cost:.1%} of a constant's loss at "
        "every step, and the loss no longer falls",
        "raise batch_size, lower the learning rate towards the end (schedule='cosine'), or wrap "
        "the rule in Averaged",
        after=("rate too high", "rate too low", "oscillation"),
    ),
    Check(
        "no signal",
        step_checks.no_signal,
        0.8,
        "the gradient is noise from {since}: the errors of neighbouring rows have a correlation "
        "of {structure:.2g}",
        "check that rows and targets belong together; if they do, X has no further use for y",
        needs="batches of two patterns and 30 rows",
        networks=LAYERED,
        after=LITTLE_LEARNED,
    ),
    Check(
        "class collapse",
        data_checks.class_collapse,
        0.995,
        "one class is predicted for {share:.0%} of the rows, though {others} of the rows looked "
        "at have another",
        "set class_weight='balanced', or train longer",
        after=(
            "rate too high",
            "unscaled inputs",
            *LOST_NEURONS,
            "exploding gradients",
            "vanishing gradients",
            "decay too strong",
            "dropout too strong",
        ),
    ),
    Check(
        "memorising",
        ending_checks.memorising,
        1.3,
        "the validation loss rose to {times} times its best, from {since}, while the training "
        "loss fell to {train:.2g}",
        "stop early (early_stopping=True), raise alpha or dropout, or use fewer neurons; look "
        "for wrong labels",
        needs="validation rows",
        after=("dropout too strong", "class collapse"),
    ),
    Check(
        "plateau",
        ending_checks.plateau,
        0.5,
        "the loss was that of a constant prediction in {share:.0%} of the epochs, from {since}",
        "raise the learning rate, or start from another random_state",
        after=(*LITTLE_LEARNED, "oscillation", "noisy steps", "no signal"),
    ),
    Check(
        "too stiff",
        ending_checks.too_stiff,
        0.4,
        "the loss came to rest at {level:.0%} of that of a constant, and the errors of "
        "neighbouring rows have a correlation of {structure:.2g}",
        "use more neurons (the narrowest layer has {width}), or less alpha and dropout",
        needs="30 rows and 3 epochs",
        networks=LAYERED,
        after=(*LITTLE_LEARNED, "oscillation", "noisy steps", "memorising", "plateau"),
    ),
    Check(
        "patience too short",
        ending_checks.patience_too_short,
        0.15,
        "patience ended the training after {epochs} epochs; {more} more would lower the loss by "
        "{rest:.0%} of that of a constant",
        "raise n_iter_no_change or lower tol",
        needs="the estimator's parameters",
        after=("rate too high", "rate too low", "oscillation", "no signal", "memorising"),
    ),
    Check(
        "too few epochs",
        ending_checks.too_few_epochs,
        0.25,
        "the training ended after {epochs} epochs; {more} more would lower the loss by "
        "{rest:.0%} of that of a constant",
        "raise max_iter",
        after=("rate too high", "rate too low", "oscillation", "no signal", "memorising"),
    ),
    Check(
        "needlessly large batches",
        step_checks.needlessly_large_batches,
        10.0,
        "batches have {batch} patterns, and {enough:.2g} would have nearly the same gradient",
        "lower batch_size, which takes more steps in the same time",
        is_problem=False,
        after=("noisy steps",),
    ),
    Check(
        "constant columns",
        data_checks.constant_columns,
        1.0,
        "of {columns} columns of X, {kinds}, in the {rows} rows looked at",
        "drop them, for example by VarianceThreshold",
        needs="20 rows",
        is_problem=False,
    ),
)
