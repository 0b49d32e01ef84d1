"""Real data sets as tasks: networks with training, validation and test rows.

``CHOOSING`` and ``REPORTING`` list the data sets to choose rules by and to report on. No data set
is in both. They were drawn once (``python benchmarks/real_tasks.py`` draws them again): data sets
that are alike, such as the weather of two towns, are of one family, and families were drawn in
random order, for classification and regression apart, a third of the data sets for choosing.
``LARGE_CLEAN`` has other data, with little noise: elevation grids, patches of images, digits, pen
strokes, and two physical systems that are simulated.

A setting is a data set, a number of rows, a network, a batch size and a number of steps. Every data
set of the two lists makes two settings, one at its size, of up to 1500 training and validation
rows, and one of 60 to 400; those of ``LARGE_CLEAN`` make one of up to 3500 rows, with twice as many
steps. Everything else is drawn by the name of the setting. A setting has several splits into rows
to train, to validate and to test; each of them is a task.

Categories are one-hot. Features and numeric targets are standardised by the training rows, and
features are cut off at ±10. Classes with less than 8 rows are left out, and so are validation and
test rows of classes that no training row has. The features are float32, and so are the networks.
"""

import zlib
from dataclasses import dataclass, field

import numpy as np
from real_data_sets import DATA_SETS, LARGE_CLEAN, Columns, DataSet

from sklearn_metabp import BackpropMLPClassifier, BackpropMLPRegressor
from sklearn_metabp.meta_training import Task

_LIMIT = 10.0
_MAX_TEST = 2000
# The largest number of training and validation rows, by size.
_SIZES = {"full": 1500, "large": 3500}
_LEAST_OF_A_CLASS = 8
_NETWORKS = (
    ((32,), "relu"),
    ((64, 64), "relu"),
    ((48,), "tanh"),
    ((100,), "relu"),
    ((32, 32, 32), "relu"),
)
_BATCH_SIZES = (16, 32, 64, 128)
_STEPS = (400, 1000)

#: Names of the data sets to choose rules by.
CHOOSING = (
    *("bands", "bupa", "car", "fertility", "flare", "kr-vs-k", "mammographic", "marketing"),
    *("movement_libras", "mushroom", "newthyroid", "nursery", "page-blocks", "phoneme"),
    *("satimage", "segment", "spambase", "splice", "zoo", "airfoil", "aquatic_toxicity"),
    *("electric_lines", "excitation", "fish_toxicity", "insurance", "mortgage", "treasury"),
    *("weather_ankara", "weather_izmir"),
)

#: Names of the data sets to report on. Nothing is chosen by them.
REPORTING = (
    *("appendicitis", "automobile", "breast", "breast_cancer", "chess", "contraceptive"),
    *("dermatology", "ecoli", "fars", "german", "glass", "haberman", "heart", "hepatitis"),
    *("housevotes", "hypothyroid", "ionosphere", "iris", "kc1", "letter", "lymphography"),
    *("magic", "maternal_health", "pima", "saheart", "skillcraft", "sonar", "spectfheart"),
    *("tae", "texture", "tic-tac-toe", "titanic", "vehicle", "vowel", "wine", "wisconsin"),
    *("yeast", "abalone", "auto_mpg", "baseball", "bikes", "casp", "communities", "compactiv"),
    *("cpu", "diabetes", "forest_fires", "laser", "puma", "quake", "servo", "slump"),
    *("wine_red", "wine_white", "yacht"),
)


@dataclass(frozen=True)
class TaskSet:
    """Tasks for :func:`~sklearn_metabp.meta_training.compare_rules`.

    Attributes
    ----------
    tasks : list of Task
        All splits of all settings.
    settings : list of str
        Name of the setting of every task.
    groups : list of str
        Name of the data set of every task.
    are_classifications : dict of str to bool
        By name of the setting.
    """

    tasks: list[Task] = field(repr=False)
    settings: list[str]
    groups: list[str]
    are_classifications: dict[str, bool]


def load_tasks(name: str, n_splits: int = 3) -> TaskSet:
    """Make the tasks of a list of data sets.

    Parameters
    ----------
    name : {"choosing", "reporting", "large_clean"}
    n_splits : int, default=3

    Returns
    -------
    task_set : TaskSet

    Raises
    ------
    ModuleNotFoundError
        If the packages with the data are not installed.
    """
    if name == "large_clean":
        return make_tasks(LARGE_CLEAN, ("large",), n_splits)
    names = {"choosing": CHOOSING, "reporting": REPORTING}[name]
    return make_tasks({each: DATA_SETS[each] for each in names}, ("full", "small"), n_splits)


def make_tasks(data_sets: dict[str, DataSet], sizes: tuple[str, ...], n_splits: int) -> TaskSet:
    """Make the tasks of data sets, a setting for each data set and size."""
    task_set = TaskSet([], [], [], {})
    for name, data_set in data_sets.items():
        columns = data_set.read()
        if data_set.is_classification:
            columns = _without_rare_classes(columns)
        for size in sizes:
            setting = f"{name}, {size}"
            task_set.are_classifications[setting] = data_set.is_classification
            for split in range(n_splits):
                task = _make_task(columns, data_set.is_classification, setting, size, split)
                task_set.tasks.append(task)
                task_set.settings.append(setting)
                task_set.groups.append(name)
    return task_set


def _make_task(
    columns: Columns, is_classification: bool, setting: str, size: str, split: int
) -> Task:
    X, y = columns.X, columns.y
    rng = _rng(setting)  # all splits of a setting have the same network and numbers of rows
    hidden_layer_sizes, activation = _NETWORKS[rng.randint(len(_NETWORKS))]
    batch_size = _BATCH_SIZES[rng.randint(len(_BATCH_SIZES))]
    n_steps = (2 if size == "large" else 1) * rng.randint(_STEPS[0], _STEPS[1] + 1)
    n_classes = np.unique(y).size if is_classification else 0
    n_train, n_val = _numbers_of_rows(len(y), n_classes, size, rng)
    rows = _rng(f"{setting}, split {split}").permutation(len(y))[: n_train + n_val + _MAX_TEST]
    train, val, test = np.split(rows, [n_train, n_train + n_val])
    if is_classification:
        val, test = (part[np.isin(y[part], y[train])] for part in (val, test))
    else:
        y = (y - y[train].mean()) / y[train].std()
    X = _standardise(X, train)
    batch_size = min(batch_size, n_train)
    kind = BackpropMLPClassifier if is_classification else BackpropMLPRegressor
    network = kind(
        hidden_layer_sizes,
        activation,
        alpha=0.0,
        batch_size=batch_size,
        max_iter=max(1, round(n_steps * batch_size / n_train)),
        n_iter_no_change=np.inf,
    )
    return Task(network, X[train], y[train], X[val], y[val], X[test], y[test])


def _numbers_of_rows(
    n_rows: int, n_classes: int, size: str, rng: np.random.RandomState
) -> tuple[int, int]:
    """Return the numbers of training and validation rows; the other rows are for testing."""
    if size == "small":
        low = max(60, _LEAST_OF_A_CLASS * n_classes)
        n_drawn = int(np.exp(rng.uniform(np.log(low), np.log(400))))
        n = min(n_drawn, max(60, int(0.6 * n_rows)))
    else:
        n = min(_SIZES[size], int(0.7 * n_rows))
    n_val = int(np.clip(n // 5, 20, 300))
    return n - n_val, n_val


def _standardise(X: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Scale features by the training rows; drop those that are constant there."""
    mean, std = np.nanmean(X[train], axis=0), np.nanstd(X[train], axis=0)
    varies = std > 1e-9 * np.maximum(1, np.abs(mean))
    scaled = (X[:, varies] - mean[varies]) / std[varies]
    return np.nan_to_num(np.clip(scaled, -_LIMIT, _LIMIT)).astype(np.float32)


def _without_rare_classes(columns: Columns) -> Columns:
    classes, counts = np.unique(columns.y, return_counts=True)
    known = np.isin(columns.y, classes[counts >= _LEAST_OF_A_CLASS])
    return Columns(columns.X[known], columns.y[known])


def _rng(name: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(name.encode()))


def draw_names(is_classification: bool) -> tuple[list[str], list[str]]:
    """Draw data sets to choose by, a third of them, and to report on: families in random order."""
    families: dict[str, list[str]] = {}
    for name, data_set in DATA_SETS.items():
        if data_set.is_classification == is_classification:
            families.setdefault(data_set.family or name, []).append(name)
    members = [families[family] for family in sorted(families)]
    order = np.random.RandomState(0).permutation(len(members))
    choosing: list[str] = []
    drawn = [members[number] for number in order]
    while len(choosing) < sum(map(len, members)) / 3:
        choosing += drawn.pop(0)
    return sorted(choosing), sorted(name for family in drawn for name in family)


if __name__ == "__main__":
    kinds = [draw_names(is_classification) for is_classification in (True, False)]
    for title, names in zip(("CHOOSING", "REPORTING"), zip(*kinds, strict=True), strict=True):
        drawn = [name for of_kind in names for name in of_kind]
        print(f"{title} = {tuple(drawn)}  # {len(drawn)}")
