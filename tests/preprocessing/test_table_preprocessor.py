"""The preprocessor of tables, held to scikit-learn's transformers and to tables worked by hand."""

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from helpers.tables import make_table
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_metabp import RobustSmoothClipper, TablePreprocessor
from sklearn_metabp.preprocessing import table_columns

SEEDS = (0, 1, 2)


@parametrize_with_checks(
    [TablePreprocessor(), TablePreprocessor(dtype=np.float64, scaler=StandardScaler())]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_scaled_as_by_the_clipper_and_gaps_become_the_median(seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_t(2, (100, 3))
    X[rng.random(X.shape) < 0.2] = np.nan
    found = TablePreprocessor(dtype=np.float64).fit_transform(X)
    filled = np.where(np.isnan(X), np.nanmedian(X, axis=0), X)
    clipper = RobustSmoothClipper().fit(X)
    np.testing.assert_allclose(found[:, :3], clipper.transform(filled), rtol=1e-12)
    assert (found[:, 3:] == np.isnan(X)).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("least", [1, 5, 0.1])
def test_categories_are_those_of_the_one_hot_encoder(seed, least):
    rng = np.random.default_rng(seed)
    table = rng.choice(list("abcdefgh"), (150, 2), p=np.array([8, 7, 6, 4, 2, 1, 1, 1]) / 30)
    later = rng.choice(list("abcdefghxy"), (50, 2))
    encoder = OneHotEncoder(
        handle_unknown="infrequent_if_exist", min_frequency=least, sparse_output=False
    ).fit(table)
    preprocessor = TablePreprocessor(min_frequency=least).fit(table)
    for X in (table, later):
        assert (preprocessor.transform(X) == encoder.transform(X)).all()
        frame = pd.DataFrame(X).astype("category")
        assert (preprocessor.fit(table).transform(frame.to_numpy()) == encoder.transform(X)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_types_of_a_column_do_not_change_the_result(seed):
    frame, _ = make_table(seed=seed)
    expected = TablePreprocessor().fit_transform(frame)
    others = frame.assign(
        size=frame["size"].astype("Float64"),
        rooms=frame["rooms"].astype("Int16"),
        district=frame["district"].astype(object),
        owner=frame["owner"].astype("string"),
        garden=frame["garden"].astype("boolean"),
    )
    objects = frame.astype(object).where(frame.notna(), pd.NA)
    for other in (others, objects.assign(grade=frame["grade"])):
        assert (TablePreprocessor().fit_transform(other) == expected).all()
        assert (TablePreprocessor().fit(frame).transform(other) == expected).all()
    arrow_like = frame.assign(owner=frame["owner"].astype("str"))
    assert (TablePreprocessor().fit(frame).transform(arrow_like) == expected).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_few_rows_are_transformed_as_all_are(seed):
    frame, _ = make_table(seed=seed)
    preprocessor = TablePreprocessor().fit(frame)
    expected = preprocessor.transform(frame)
    for rows in ([3], [0, 5], list(range(20))):
        assert (preprocessor.transform(frame.iloc[rows]) == expected[rows]).all()


def test_worked_by_hand():
    frame = pd.DataFrame(
        {
            "name": ["a", "b", "a", None, "c", "a"],
            "yes": pd.array([True, None, False, True, True, True], dtype="boolean"),
            "same": 7,
            "code": pd.Categorical([1, 2, 1, 2, 1, 2]),
        }
    )
    preprocessor = TablePreprocessor(min_frequency=2).fit(frame)
    assert preprocessor.get_feature_names_out().tolist() == [
        "yes_missing",
        "yes",
        "name_a",
        "name_infrequent",
        "code_1",
        "code_2",
    ]
    assert preprocessor.transform(frame).tolist() == [
        [0, 1, 1, 0, 1, 0],
        [1, 1, 0, 1, 0, 1],
        [0, 0, 1, 0, 1, 0],
        [0, 1, 0, 1, 0, 1],
        [0, 1, 0, 1, 1, 0],
        [0, 1, 1, 0, 0, 1],
    ]
    assert preprocessor.dropped_ == [2]
    assert preprocessor.n_numeric_ == 0


def test_numbers_come_first():
    frame, _ = make_table()
    frame = frame[["owner", "garden", "rooms", "district", "size"]]
    preprocessor = TablePreprocessor().fit(frame)
    names = preprocessor.get_feature_names_out()
    assert names[: preprocessor.n_numeric_].tolist() == ["rooms", "size"]
    as_frame = preprocessor.set_output(transform="pandas").transform(frame)
    assert as_frame.columns.tolist() == names.tolist()


def test_what_fit_has_not_seen():
    X = pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "c": ["a", "b", "a", "b"]})
    preprocessor = TablePreprocessor(min_frequency=2, dtype=np.float64).fit(X)
    later = pd.DataFrame({"n": [None, 2.5], "c": ["new", None]})
    assert preprocessor.transform(later).tolist() == [[0, 0, 0], [0, 0, 0]]
    rare = TablePreprocessor(min_frequency=2).fit(
        pd.DataFrame({"n": [1.0, 2, 3, 4, 5], "c": ["a", "b", "a", "b", "z"]})
    )
    assert rare.transform(later)[:, 1:].tolist() == [[0, 0, 1], [0, 0, 1]]


def test_most_levels_are_limited_to_the_frequent_ones():
    column = np.repeat(list("abcde"), [9, 8, 7, 6, 5])[:, None]
    preprocessor = TablePreprocessor(max_categories=3).fit(column)
    assert preprocessor.get_feature_names_out().tolist() == ["x0_a", "x0_b", "x0_infrequent"]


def test_intervals_and_mixed_values_are_categories():
    sizes = pd.cut(pd.Series(np.arange(20.0)), 2)
    mixed = pd.Series(["a", 1] * 10, dtype=object)
    preprocessor = TablePreprocessor().fit(pd.DataFrame({"s": sizes, "m": mixed}))
    names = preprocessor.get_feature_names_out().tolist()
    assert names == ["s_(-0.019, 9.5]", "s_(9.5, 19.0]", "m_1", "m_a"]
    assert preprocessor.transform(pd.DataFrame({"s": sizes, "m": mixed})).sum() == 40


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pd.date_range("2020", periods=4), "'when' of X holds dates.*dt.year"),
        (pd.date_range("2020", periods=4, tz="UTC"), "holds dates"),
        (pd.period_range("2020", periods=4, freq="D"), "holds dates"),
        (pd.to_timedelta([1, 2, 3, 4]), "holds dates"),
        ([datetime.date(2020, 1, 1), None] * 2, "holds dates"),
        ([1.0, np.inf, 2.0, 3.0], "'when' of X contains infinity"),
        ([1j, 2j, 3j, 4j], "Complex data not supported"),
    ],
    ids=["dates", "with zone", "periods", "durations", "objects", "infinite", "complex"],
)
def test_columns_that_are_no_numbers_have_a_clear_error(column, words):
    with pytest.raises(ValueError, match=words):
        TablePreprocessor().fit(pd.DataFrame({"a": [1, 2, 3, 4], "when": column}))


def test_errors_of_later_rows():
    frame, _ = make_table()
    preprocessor = TablePreprocessor().fit(frame)
    with pytest.raises(ValueError, match="'rooms' of X had numbers in fit, but now has 'many'"):
        preprocessor.transform(frame.assign(rooms="many"))
    with pytest.raises(ValueError, match="feature names should match"):
        preprocessor.transform(frame.rename(columns={"rooms": "other"}))
    with pytest.raises(ValueError, match="5 features, but TablePreprocessor is expecting 6"):
        TablePreprocessor().fit(frame.to_numpy()).transform(frame.to_numpy()[:, :5])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        preprocessor.transform(frame.iloc[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        TablePreprocessor().fit(frame[[]])
    with pytest.raises(TypeError, match="sparse"):
        preprocessor.transform(csr_array((3, 6)))


def test_a_column_without_values_is_dropped_with_a_warning():
    frame = pd.DataFrame({"n": [1.0, 2.0], "lost": [None, np.nan], "gone": [np.nan, np.nan]})
    with pytest.warns(UserWarning, match="All values of 'lost', 'gone' are missing"):
        preprocessor = TablePreprocessor().fit(frame)
    assert preprocessor.get_feature_names_out().tolist() == ["n"]


def test_lists_keep_their_numbers():
    rows = [[1.5, "a"], [2.5, "b"], [3.5, "a"]]
    preprocessor = TablePreprocessor(min_frequency=1).fit(rows)
    assert preprocessor.get_feature_names_out().tolist() == ["x0", "x1_a", "x1_b"]


def test_clones_and_pickles():
    frame, _ = make_table()
    preprocessor = TablePreprocessor(min_frequency=3).fit(frame)
    loaded = pickle.loads(pickle.dumps(preprocessor))
    assert (loaded.transform(frame) == preprocessor.transform(frame)).all()
    assert clone(preprocessor).min_frequency == 3


def test_without_the_private_columns_of_pandas(monkeypatch):
    frame, _ = make_table()
    expected = TablePreprocessor().fit_transform(frame)
    monkeypatch.delattr(pd.DataFrame, "_get_column_array")
    assert len(table_columns.as_table(frame).columns) == 6
    assert (TablePreprocessor().fit_transform(frame) == expected).all()


def test_frames_of_polars():
    polars = pytest.importorskip("polars")
    frame, _ = make_table()
    frame = frame.assign(district=frame["district"].astype(object), grade=frame["rooms"])
    of_polars = polars.DataFrame(
        {name: [None if pd.isna(v) else v for v in column] for name, column in frame.items()}
    )
    preprocessor = TablePreprocessor().fit(frame)
    expected = preprocessor.transform(frame)
    assert (preprocessor.transform(of_polars) == expected).all()
    assert (TablePreprocessor().fit_transform(of_polars) == expected).all()
