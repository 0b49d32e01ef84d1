"""The worked example of two lectures, number by number; ``helpers/lectures.py`` has the numbers."""

from pathlib import Path

import numpy as np
import pytest
from helpers import lectures
from scipy.special import expit

import sklearn_metabp

PARTIALS = [
    number.name
    for number in lectures.NUMBERS
    if number.name.startswith("∂E/∂") and "y" not in number.name
]


@pytest.fixture(scope="module")
def ours():
    return lectures.quantities(lectures.record(lectures.network()))


def wrong(values):
    """Return the numbers of a lecture that differ from ours, with ours to as many decimals."""
    return {
        (lecture, number.name): lectures.rounded(values[number.name], printed)
        for number in lectures.NUMBERS
        for lecture, printed in number.printed.items()
        if lectures.rounded(values[number.name], printed) != printed
    }


SLIPS = {(slip.lecture, slip.name): slip.right for slip in lectures.SLIPS}


def test_every_number_is_the_lectures_but_for_their_slips(ours):
    assert set(ours) == {number.name for number in lectures.NUMBERS}
    assert wrong(ours) == SLIPS


@pytest.mark.usefixtures("fallback_kernels")
def test_the_fallback_has_the_same_numbers():
    assert wrong(lectures.quantities(lectures.record(lectures.network()))) == SLIPS


def test_batch_mode_has_the_same_numbers():
    assert wrong(lectures.quantities(lectures.record(lectures.network(batch_size="full")))) == SLIPS


def loss_at(coefs, biases):
    """The lectures' forward pass, with a bias that a layer shares."""
    y = lectures.X[0]
    for weights, bias in zip(coefs, biases, strict=True):
        y = expit(y @ weights + bias)
    return np.sum((lectures.TARGETS[0] - y) ** 2) / 2


@pytest.mark.parametrize("name", PARTIALS)
def test_the_derivatives_are_those_of_the_loss(ours, name):
    def at(move):
        coefs, biases = [weights.copy() for weights in lectures.COEFS], list(lectures.SHARED_BIASES)
        if name[-2] == "b":
            biases[int(name[-1]) - 1] += move
        else:
            to, back = int(name[-2]), int(name[-1])
            layer, place = (0, (back - 1, to - 4)) if to < 6 else (1, (back - 4, to - 6))
            coefs[layer][place] += move
        return loss_at(coefs, biases)

    assert ours[name] == pytest.approx((at(1e-5) - at(-1e-5)) / 2e-5, rel=1e-7, abs=1e-10)


def test_the_deltas_are_the_second_lectures_formulas(ours):
    for neuron, error in ((6, ours["t1 - y6"]), (7, ours["t2 - y7"])):
        y = ours[f"y{neuron}"]
        assert ours[f"δ{neuron}"] == pytest.approx(error * y * (1 - y), rel=1e-12)
    for neuron, weights in zip((4, 5), lectures.COEFS[1], strict=True):
        y, back = ours[f"y{neuron}"], weights[0] * ours["δ6"] + weights[1] * ours["δ7"]
        assert ours[f"δ{neuron}"] == pytest.approx(back * y * (1 - y), rel=1e-12)


def test_the_estimator_ends_where_the_step_goes(ours):
    model = lectures.fit(lectures.network())
    assert [f"{loss:.4f}" for loss in model.loss_curve_] == [SLIPS["Musilek", "E"]]
    assert model.coefs_[1][1, 1] == ours["new w75"]
    assert model.coefs_[0][2, 0] == ours["new w43"]


@pytest.mark.parametrize("slip", lectures.SLIPS, ids=lambda slip: f"{slip.lecture} {slip.name}")
def test_the_slips_of_the_lectures_have_a_cause(ours, slip):
    """The calculation that the lectures must have made gives the numbers that they print."""
    printed = next(n.printed[slip.lecture] for n in lectures.NUMBERS if n.name == slip.name)
    four = {name: round(value, 4) for name, value in ours.items()}
    slope = {n: four[f"y{n}"] * (1 - four[f"y{n}"]) for n in (5, 6, 7)}
    e6, e7 = four["∂E/∂y6"], four["∂E/∂y7"]
    calculated = {
        "E": (e6**2 + e7**2) / 2,
        "∂E/∂b2": e6 * slope[6] + e7 * slope[7],
        "∂y5/∂v5": slope[5],
        "∂E/∂b1": -0.7 * ours["δ6"] * ours["∂y4/∂v4"] - 0.1 * ours["δ7"] * ours["∂y5/∂v5"],
        "new w75": 10 * (0.1 - 0.01 * four["∂E/∂w75"]),  # the point one place to the right
    }
    assert lectures.rounded(calculated[slip.name], printed) == printed


@pytest.mark.parametrize("rule", lectures.PARAMETERS)
def test_parameters_that_the_second_lecture_states_are_defaults(rule):
    assert lectures.PARAMETERS[rule].items() <= getattr(sklearn_metabp, rule)().get_params().items()


def test_the_page_of_the_lectures_lists_the_slips():
    page = Path(__file__).parents[2] / "docs" / "lectures.rst"
    text = " ".join(page.read_text(encoding="utf-8").split())
    names = [slip.name for slip in lectures.SLIPS]
    for slip in lectures.SLIPS:
        lecture = "both" if names.count(slip.name) == 2 else slip.lecture
        printed = next(n.printed[slip.lecture] for n in lectures.NUMBERS if n.name == slip.name)
        assert f"* - {lecture} - {slip.name} - {printed} - {slip.right} -" in text
