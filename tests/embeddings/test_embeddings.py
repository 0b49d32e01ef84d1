"""The public embeddings: columns, bins and parameters."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_metabp import PeriodicEmbedding, PiecewiseLinearEmbedding
from sklearn_metabp.embeddings import resolve_embedding
from sklearn_metabp.embeddings.columns import column_numbers

NAMES = np.array(["age", "height", "weight", "colour"], object)
X = np.random.RandomState(0).normal(size=(200, 4))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (None, (0, 1, 2, 3)),
        ([2, 0], (0, 2)),
        ((-1,), (3,)),
        (np.array([1, 3]), (1, 3)),
        (slice(0, 2), (0, 1)),
        (slice(None, None, -2), (1, 3)),
        ([True, False, False, True], (0, 3)),
        (["weight", "age"], (0, 2)),
        (np.array(["height"]), (1,)),
        ([], ()),
        (slice(0, 0), ()),
    ],
    ids=range(11),
)
def test_columns_are_chosen_in_every_way(columns, expected):
    assert column_numbers(columns, 4, NAMES) == expected


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ([4], NAMES, "columns has 4, but X has 4"),
        ([-5], NAMES, "columns has -5"),
        ([1, 1], NAMES, "twice"),
        ([1, -3], NAMES, "twice"),
        ([True, False], NAMES, "mask of 2 columns, but X has 4"),
        (["heigth"], NAMES, "Did you mean 'height'"),
        (["age"], None, "have none"),
        ([0.5], NAMES, "numbers, a slice, a mask or names"),
        ([[0]], NAMES, "list of columns"),
    ],
    ids=range(9),
)
def test_columns_that_do_not_exist_are_errors(columns, names, message):
    with pytest.raises(ValueError, match=message):
        column_numbers(columns, 4, names)


def test_bins_end_at_quantiles():
    embedding = PiecewiseLinearEmbedding(n_bins=4, n_outputs=2, columns=[1, 3])
    found = embedding.embedding_of(X, None)
    assert (found.columns, found.n_functions, found.n_outputs) == ((1, 3), 4, 2)
    for column, edges in zip(found.columns, found.edges, strict=True):
        np.testing.assert_allclose(edges, np.quantile(X[:, column], [0, 0.25, 0.5, 0.75, 1]))


def test_bins_of_columns_with_few_values():
    few = np.column_stack([np.repeat([0.0, 1.0, 5.0], 20), np.full(60, 7.0), np.zeros(60)])
    found = PiecewiseLinearEmbedding(n_bins=8).embedding_of(few, None)
    assert found.edges == ((0.0, 1.0, 5.0), (7.0, 14.0), (0.0, 1.0))


def test_a_continued_training_keeps_its_bins():
    embedding = PiecewiseLinearEmbedding(n_bins=4)
    before = embedding.embedding_of(X, None)
    assert embedding.embedding_of(X + 5, None, before) == before
    assert embedding.embedding_of(X + 5, None) != before
    other = PiecewiseLinearEmbedding(n_bins=4, columns=[0]).embedding_of(X, None, before)
    assert other.edges == before.edges[:1]
    finer = PiecewiseLinearEmbedding(n_bins=5).embedding_of(X, None, before)
    assert finer != before


def test_names_and_objects_are_resolved():
    assert resolve_embedding(None, X, None) is None
    assert resolve_embedding(PeriodicEmbedding(columns=slice(0, 0)), X, None) is None
    assert resolve_embedding("periodic", X, None) == PeriodicEmbedding().embedding_of(X, None)
    assert resolve_embedding("piecewise_linear", X, None).kind == "piecewise_linear"
    with pytest.raises(ValueError, match="Did you mean 'periodic'"):
        resolve_embedding("perodic", X, None)
    with pytest.raises(TypeError, match="add parentheses"):
        resolve_embedding(PeriodicEmbedding, X, None)
    with pytest.raises(TypeError, match="got 3"):
        resolve_embedding(3, X, None)


@pytest.mark.parametrize(
    "embedding",
    [
        PeriodicEmbedding(n_frequencies=0),
        PeriodicEmbedding(n_outputs=1),
        PeriodicEmbedding(sigma=0),
        PeriodicEmbedding(columns="age"),
        PiecewiseLinearEmbedding(n_bins=0),
        PiecewiseLinearEmbedding(n_outputs=0.5),
    ],
    ids=range(6),
)
def test_parameters_out_of_range_are_errors(embedding):
    with pytest.raises(ValueError, match="parameter of"):
        embedding.embedding_of(X, NAMES)


def test_embeddings_are_cloned_and_compared():
    embedding = PeriodicEmbedding(sigma=0.3, columns=[0])
    assert clone(embedding).get_params() == embedding.get_params()
    with pytest.raises(ValueError, match="n_frequencies"):
        PeriodicEmbedding().set_params(n_frequency=3)
