"""The four experiments of R. Jakša and M. Katrák (2006): data, networks, learning networks.

``paper_experiments.py`` measures them with many starts. The scripts in ``examples/paper`` show one
training of each; every script there has its own code, so that it runs alone.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklearn_metabp import (
    SGD,
    Adam,
    BackpropMLPRegressor,
    DivergenceError,
    LearnedUpdateRule,
    Trace,
    TraceRecorder,
)

CYCLES = 5000  # of backpropagation, recorded
SHOWN = 1200  # cycles in the paper's figures, and of every training here
KEPT_STEPS = 20_000  # kept steps of one run: all of experiments 1 to 3, every 15th of experiment 4
BACKPROPAGATION = SGD(0.23)
WITH_HIDDEN = ["weights", "biases", "inputs", "outputs", "targets", "hidden_activations"]


def square(n_points: int, seed: int):
    """Return points of the plane, and whether each is in the inner square of half the area.

    Returns
    -------
    X : ndarray of shape (n_points, 2), in [-1, 1]
    y : ndarray of shape (n_points, 2), innersquare and outersquare, each 0 or 1
    """
    X = np.random.default_rng(seed).uniform(-1, 1, (n_points, 2))
    inner = np.abs(X).max(axis=1) < np.sqrt(0.5)
    return X, np.column_stack([inner, ~inner]).astype(float)


@dataclass(frozen=True)
class Experiment:
    """One of the four experiments: the task, the network that learns it, and the learning network.

    Attributes
    ----------
    name : str
    X : ndarray of shape (n_patterns, 2)
    y : ndarray of shape (n_patterns,) or (n_patterns, n_outputs)
    hidden : tuple of int
        Hidden neurons of the basic network.
    learning_hidden : tuple of int
        Hidden neurons of the paper's learning network.
    inputs : list of str or None
        Inputs of the learning network. None is weights, biases, inputs, outputs and targets.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    hidden: tuple[int, ...]
    learning_hidden: tuple[int, ...]
    inputs: list[str] | None = None


CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
AND, OR = np.array([0.0, 0, 0, 1]), np.array([0.0, 1, 1, 1])
EXPERIMENTS = {
    1: Experiment("AND, 2-1-1", CORNERS, AND, (1,), (2,)),
    2: Experiment("AND, 2-1", CORNERS, AND, (), ()),
    3: Experiment("OR, 2-4-1", CORNERS, OR, (4,), (3,)),
    4: Experiment("square, 2-5-2", *square(60, seed=0), (5,), (3,), WITH_HIDDEN),
}


def network(experiment: Experiment, rule, seed: int, n_cycles: int = SHOWN) -> BackpropMLPRegressor:
    """Return the basic network: logistic neurons, squared error, one pattern per step."""
    return BackpropMLPRegressor(
        experiment.hidden,
        "logistic",
        out_activation="logistic",
        update_rule=rule,
        alpha=0.0,
        batch_size=1,
        max_iter=n_cycles,
        n_iter_no_change=np.inf,
        random_state=seed,
    )


def record(
    experiment: Experiment, seeds, n_cycles: int = CYCLES, n_kept: int = KEPT_STEPS
) -> Trace:
    """Return the trace of backpropagation from these seeds, ``n_kept`` steps of each run."""
    n_steps = n_cycles * len(experiment.X)
    recorder = TraceRecorder("all", every=-(-n_steps // n_kept))
    for seed in seeds:
        teacher = network(experiment, BACKPROPAGATION, seed, n_cycles)
        teacher.set_callbacks(recorder).fit(experiment.X, experiment.y)
    return recorder.trace_


def papers_learner(experiment: Experiment):
    """Return the paper's learning network: logistic neurons, SGD(0.198) online, 200 cycles.

    Its outputs are logistic too, so updates are scaled to [0, 1], and its inputs as well.
    """
    mlp = BackpropMLPRegressor(
        experiment.learning_hidden,
        "logistic",
        out_activation="logistic",
        update_rule=SGD(0.198),
        alpha=0.0,
        batch_size=1,
        max_iter=200,
        n_iter_no_change=np.inf,
    )
    return TransformedTargetRegressor(
        make_pipeline(MinMaxScaler(), mlp), transformer=MinMaxScaler()
    )


def fading(t: int, t_planned: int) -> float:
    """Return the factor of a learning rate that decreases to zero in a straight line."""
    return 1 - t / t_planned


def wide_learner(n_patterns: int, hidden=(32, 32), n_seen=2_000_000, alpha=0.0):
    """Return a wider learning network: tanh neurons, linear outputs, standardised columns, Adam.

    The learning rate of Adam decreases to zero.

    Parameters
    ----------
    n_patterns : int
        Number of patterns that it is trained on.
    hidden : tuple of int
    n_seen : int
        Number of patterns in all its cycles.
    alpha : float
        Penalty on its weights. One training leaves most directions of the inputs almost
        unexplored. Without a penalty, predictions there depend on the first weights.
    """
    mlp = BackpropMLPRegressor(
        hidden,
        "tanh",
        update_rule=Adam(0.01, schedule=fading),
        alpha=alpha,
        batch_size=200,
        max_iter=n_seen // n_patterns,
        n_iter_no_change=np.inf,
    )
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), mlp), transformer=StandardScaler()
    )


def link_learner():
    """Return a learner for the link scope: its default with 16 neurons, and a slower Adam."""
    return BackpropMLPRegressor(
        (16,), "relu", update_rule=Adam(0.002), alpha=0.0, max_iter=60, n_iter_no_change=np.inf
    )


def rule_for(experiment: Experiment, scope: str, learner=None, seed: int = 0) -> LearnedUpdateRule:
    """Return an unfitted rule of a scope; the link scope gets the learner above by default."""
    learner = link_learner() if learner is None and scope == "link" else learner
    inputs = experiment.inputs if scope == "network" else None
    return LearnedUpdateRule(learner, scope=scope, inputs=inputs, random_state=seed)


def train(experiment: Experiment, rule, seed: int, n_cycles: int = SHOWN) -> np.ndarray:
    """Return J(t) of a network trained by a rule; infinite if the training diverges.

    J(t) is the mean over the patterns of cycle t.
    """
    try:
        with warnings.catch_warnings():
            # The curve shows a training that learns nothing.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = network(experiment, rule, seed, n_cycles).fit(experiment.X, experiment.y)
    except DivergenceError:
        return np.full(n_cycles, np.inf)
    return np.array(model.loss_curve_)
