"""Names that C and Python share are the same on both sides."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.kernels import compiled_only, fallback, installed

from sklearn_metabp import _kernels
from sklearn_metabp._kernels.scopes import (
    HISTORY_ROWS,
    LAYER_CONTROLS,
    LAYER_INPUTS,
    LINK_INPUTS,
    LINK_NORMALIZERS,
    NEURON_INPUTS,
    link_history,
    memory_rows,
)
from sklearn_metabp._kernels.scopes.link_history import row_positions

HEADERS = Path(_kernels.__file__).parent / "scopes"
# clip_step is no row of the table: it needs all values before it changes one.
STEPS = [name for name in vars(fallback) if name.endswith("_step") and name != "clip_step"]


def enums(header):
    """The members of every enum of a header."""
    source = re.sub(r"/\*.*?\*/", "", (HEADERS / header).read_text(), flags=re.DOTALL)
    return [re.findall(r"\w+", body) for body in re.findall(r"\benum \{([^=}]*)\}", source)]


def c_name(name, prefix=""):
    """Spell a name as C does: "gradient/rms_0.9" is GRADIENT_BY_RMS_9."""
    return prefix + name.upper().replace("/", "_BY_").replace("0.", "")


@pytest.mark.parametrize(
    ("header", "names", "prefix"),
    [
        ("link_loops.h", LINK_INPUTS, ""),
        ("link_loops.h", LINK_NORMALIZERS, "NORMALIZER_"),
        ("link_loops.h", HISTORY_ROWS, "ROW_"),
        ("neuron_loops.h", NEURON_INPUTS, "NEURON_"),
        ("controller_loops.h", LAYER_INPUTS, "LAYER_"),
        ("controller_loops.h", LAYER_CONTROLS, "SET_"),
    ],
    ids=["inputs", "normalizers", "history", "neuron", "layer", "controls"],
)
def test_enums_have_the_names_and_the_order_of_the_python_tables(header, names, prefix):
    assert [c_name(name, prefix) for name in names] in enums(header)


@pytest.mark.parametrize("names", [(), ("last_step",), ("gradient/norm",), LINK_INPUTS], ids=len)
def test_rows_of_a_history_lie_where_they_are_looked_for(names):
    codes = np.array([LINK_INPUTS.index(name) for name in names], dtype=np.int64)
    found = [position for position in row_positions(codes) if position >= 0]
    assert found == list(range(len(link_history(codes, 2, float))))
    assert found == [position for rows in memory_rows(codes) for position in rows]
    assert len(row_positions(codes)) == len(HISTORY_ROWS)


@compiled_only
def test_a_package_offers_the_compiled_kernel_of_every_fallback():
    for name, kernel in vars(fallback).items():
        assert getattr(installed, name) is not kernel or name in ("NEURON_INPUTS",), name


@compiled_only
@pytest.mark.parametrize("name", STEPS)
def test_a_compiled_step_takes_the_arguments_of_its_fallback(name):
    step, n_expected = (
        getattr(installed, name),
        len(inspect.signature(vars(fallback)[name]).parameters),
    )
    assert step.__name__ == name
    with pytest.raises(TypeError, match="takes") as caught:
        step(*[None] * (n_expected + 1))
    n_arrays, n_numbers, n_given = map(int, re.findall(r"\d+", str(caught.value)))
    assert n_arrays + n_numbers == n_expected == n_given - 1


@compiled_only
@pytest.mark.parametrize("name", STEPS)
def test_a_compiled_step_refuses_what_is_no_array_or_no_number(name):
    parameters = list(inspect.signature(vars(fallback)[name]).parameters)
    with pytest.raises(TypeError):
        getattr(installed, name)(*[None] * len(parameters))
    n_arrays = parameters.index("updates") + 1 + (name == "average_step")
    arrays = [np.ones(3) for _ in range(n_arrays)]
    with pytest.raises(TypeError):
        getattr(installed, name)(*arrays, *["0.5"] * (len(parameters) - n_arrays))
