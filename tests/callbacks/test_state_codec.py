"""States are encoded as JSON and arrays, and decoded again."""

import pickle

import numpy as np
import pytest
from helpers.checkpoints import nodes

from sklearn_metabp.callbacks.state_codec import MisfitError, StateReader, StateWriter


def again(value, classes=None):
    writer = StateWriter(pickle.dumps)
    node = writer.encode(value)
    return StateReader(writer.arrays.__getitem__, classes or {}, pickle.loads).decode(
        node
    ), writer.is_plain


VALUES = [
    None,
    True,
    3,
    -(2**80),
    0.1,
    float("inf"),
    -0.0,
    "ü\ud800",
    b"\x00\xff",
    (1, [2.0, (3,)], {}),
    {1: "a", "b": [None], (1, 2): {"c": 1.5}},
    [0.5, float("nan"), -float("inf")],
    [np.float64(0.5), np.float64(2)],
    [],
    np.float32(1.5),
    np.bool_(True),
    np.uint64(2**63 + 1),
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.zeros((0, 3), np.float32),
    np.array(5.0),
    np.arange(3, dtype=np.uint8),
    np.array([True, False]),
    np.array(["a", "bcd"]),
    np.arange(3).astype("M8[s]"),
    np.arange(4, dtype=np.float16).reshape(1, 1, 2, 2),
    np.arange(3, dtype=">f8"),
    np.array([1 + 2j]),
]


def same(one, other):
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        assert (one.shape, one.dtype.newbyteorder("="), one.flags.f_contiguous) == (
            other.shape,
            other.dtype,
            other.flags.f_contiguous,
        )
        np.testing.assert_array_equal(one, other)
    else:
        assert type(one) is type(other)
        assert repr(one) == repr(other)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_come_back_as_they_were(value):
    found, is_plain = again(value)
    same(value, found)
    assert is_plain


def test_one_object_in_two_places_is_decoded_as_one():
    array, items = np.arange(3.0), [1]
    items.append(items)
    found, _ = again({"a": array, "b": array, "c": items, "d": (items, items)})
    assert found["a"] is found["b"]
    assert found["c"] is found["c"][1] is found["d"][0] is found["d"][1]


@pytest.mark.parametrize("name", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_random_numbers_go_on_where_they_were(name):
    for kind in (np.random.RandomState, np.random.Generator):
        random = kind(getattr(np.random, name)(3))
        random.standard_normal(5)
        random.integers(9, size=3) if kind is np.random.Generator else random.randint(9, size=3)
        found, is_plain = again(random)
        assert is_plain
        np.testing.assert_array_equal(found.standard_normal(700), random.standard_normal(700))


@pytest.mark.parametrize(
    ("name", "value"),
    [("pos", 625), ("pos", -1), ("has_gauss", 2), ("gauss", "x"), ("key", None), ("pos", None)],
)
def test_random_numbers_that_cannot_be_are_refused(name, value):
    writer = StateWriter(pickle.dumps)
    node = writer.encode(np.random.RandomState(0))
    for found in nodes(node):
        for pair in found.get("dict", []):
            if pair[0] == name:
                pair[1] = value
    with pytest.raises(MisfitError):
        StateReader(writer.arrays.__getitem__, {}, None).decode(node)
