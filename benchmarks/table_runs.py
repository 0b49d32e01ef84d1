"""Fit learners to the tables of ``table_sets.py``, and keep what was measured in a file.

``tables.py`` and ``table_parts.py`` run by this module. Each set is split up to five times into a
fifth of the rows for the test and the others for the training; the test rows of the splits differ.
A side gets all training rows and takes validation rows from them itself.
"""

import argparse
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import NamedTuple

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from table_sets import HALVES, TABLE_SETS, Facts, Table, TableSet
from threadpoolctl import threadpool_limits

MAX_SPLITS = 5
QUICK_SETS = ("heart", "saheart", "auto_mpg")
N_BINS = 100  # of the stored reliability
LEAST_ROWS_OF_A_BIN, MAX_BINS = 40, 10  # of the calibration error
ROW_CALLS, ROW_SECONDS = 20, 0.3
OF_THIS_PACKAGE = "sklearn_metabp"


class Side(NamedTuple):
    """A learner.

    Attributes
    ----------
    make : callable
        ``make(is_classification, seed)`` returns it.
    library : str, default="sklearn"
        Package that has to be there.
    kinds : tuple of bool, default=(True, False)
        Whether it is for classification (True), for regression (False), or for both.
    """

    make: Callable[[bool, int], BaseEstimator]
    library: str = "sklearn"
    kinds: tuple[bool, ...] = (True, False)

    @property
    def is_installed(self) -> bool:
        return find_spec(self.library) is not None

    @property
    def version(self) -> str:
        """The part of a key that says which code it was: a hash of the sources of this package."""
        return f", {hash_of_sources()}" if self.library == OF_THIS_PACKAGE else ""


@lru_cache
def hash_of_sources() -> str:
    """Return a hash of all sources of this package, so that changed code is another side."""
    folder = Path(find_spec(OF_THIS_PACKAGE).origin).parent
    paths = [path for end in ("py", "pyx", "pxd", "h") for path in folder.rglob(f"*.{end}")]
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Result:
    """Numbers of a side on a split.

    The last five are None in files of older versions, and ``log_loss``, ``brier``,
    ``calibration_error`` and ``reliability`` are None for regression.

    Attributes
    ----------
    loss : float
        Share of wrong classes, or RMSE.
    log_loss : float or None
        Mean of -log p of the right class.
    seconds : float
        Processor time of the fit.
    n_test : int
        Number of test rows.
    predict_seconds : float or None
        Processor time of the prediction of the test rows.
    row_ms : float or None
        Milliseconds of the prediction of one row, the median of several calls.
    brier : float or None
        Mean of the squared distance of the probabilities from 1 for the right class and 0 for the
        others (G. W. Brier, 1950).
    calibration_error : float or None
        Mean distance of confidence and share of right classes, see :func:`calibration_error`.
    reliability : list of [int, int, float, int] or None
        Of each bin of the confidence: its number of ``N_BINS``, its number of rows, the sum of
        their confidences, and how many of them are right.
    """

    loss: float
    log_loss: float | None
    seconds: float
    n_test: int
    predict_seconds: float | None = None
    row_ms: float | None = None
    brier: float | None = None
    calibration_error: float | None = None
    reliability: list[list[float]] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are there that files of older versions do not have."""
        return self.row_ms is not None


def split_rows(
    table: Table, is_classification: bool, n_splits: int
) -> list[tuple[np.ndarray, ...]]:
    """Return training and test rows of each split; every fifth of the rows is a test once."""
    folds = StratifiedKFold if is_classification else KFold
    splitter = folds(MAX_SPLITS, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class may have fewer rows than MAX_SPLITS
        return list(splitter.split(table.X, table.y))[:n_splits]


def measure(
    model: BaseEstimator, table: Table, is_classification: bool, split: tuple[np.ndarray, ...]
) -> Result:
    """Fit a model to the training rows on one thread and examine it on the test rows."""
    train, test = split
    X, y = table.X.iloc[test], table.y[test]
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = process_time()
        model.fit(table.X.iloc[train], table.y[train])
        seconds = process_time() - started
        predict = model.predict_proba if is_classification else model.predict
        started = process_time()
        predicted = np.asarray(predict(X), float)
        times = process_time() - started, 1000 * seconds_of_a_row(predict, X.iloc[[0]])
    if not is_classification:
        return Result(float(root_mean_squared_error(y, predicted)), None, seconds, len(y), *times)
    chances = predicted / predicted.sum(axis=1, keepdims=True)
    is_right = model.classes_[chances.argmax(axis=1)] == y
    is_class = model.classes_ == y[:, np.newaxis]
    return Result(
        float(np.mean(~is_right)),
        float(log_loss(y, chances, labels=model.classes_)),
        seconds,
        len(y),
        *times,
        float(np.mean(np.sum((chances - is_class) ** 2, axis=1))),
        calibration_error(chances.max(axis=1), is_right),
        reliability(chances.max(axis=1), is_right),
    )


def seconds_of_a_row(predict: Callable, row) -> float:
    """Return the median of the processor seconds of calls with one row."""
    seconds: list[float] = []
    while len(seconds) < ROW_CALLS and sum(seconds) < ROW_SECONDS:
        started = process_time()
        predict(row)
        seconds.append(process_time() - started)
    return float(np.median(seconds))


def calibration_error(confidences: np.ndarray, is_right: np.ndarray) -> float:
    """Return the expected calibration error, by bins of equally many rows.

    The confidence is the probability of the predicted class. The result is the mean over the bins
    of the distance between the mean confidence and the share of right classes. There are up to ten
    bins of 40 rows or more, because the share of few rows is noise (C. Guo, G. Pleiss, Y. Sun and
    K. Q. Weinberger, "On calibration of modern neural networks", 2017, with bins of equal width).
    """
    n_bins = int(np.clip(len(confidences) // LEAST_ROWS_OF_A_BIN, 1, MAX_BINS))
    gaps = np.asarray(is_right, float) - confidences
    of_bins = np.array_split(gaps[np.argsort(confidences, kind="stable")], n_bins)
    return float(sum(abs(of_bin.sum()) for of_bin in of_bins) / len(gaps))


def reliability(confidences: np.ndarray, is_right: np.ndarray) -> list[list[float]]:
    """Return number, rows, sum of confidences and right rows of the bins that are not empty."""
    bins = np.minimum((confidences * N_BINS).astype(int), N_BINS - 1)
    rows = np.bincount(bins, minlength=N_BINS)
    sums = np.bincount(bins, confidences, N_BINS)
    right = np.bincount(bins, is_right, N_BINS)
    return [[int(b), int(rows[b]), float(sums[b]), int(right[b])] for b in np.flatnonzero(rows)]


class Cache:
    """Results by key, in a file with one of them a line; without a file in memory alone."""

    def __init__(self, path: Path | None):
        self._path = path
        self._known: dict[str, Result] = {}
        if path is not None and path.exists():
            # The line of a run that was killed may not be whole, so that it is ignored.
            for line in path.read_text().splitlines():
                if line.endswith("}"):
                    entry = json.loads(line)
                    key = entry.pop("key")
                    self._known[key] = Result(**entry)

    def get(self, key: str) -> Result | None:
        """Return the known result, or None."""
        return self._known.get(key)

    def add(self, key: str, result: Result) -> None:
        """Write a result down."""
        self._known[key] = result
        if self._path is not None:
            with self._path.open("a") as file:
                file.write("\n" + json.dumps({"key": key, **asdict(result)}))


@dataclass(frozen=True)
class Outcome:
    """What a run gives.

    Attributes
    ----------
    results : dict of dict of list of Result
        By side and set, one for each split. Sets of a kind that a side is not for are left out.
    facts : dict of Facts
        Facts about each set.
    """

    results: dict[str, dict[str, list[Result]]]
    facts: dict[str, Facts]


class _Place(NamedTuple):
    """The place of a result."""

    side: str
    data_set: str
    number: int


def run(
    sets: Sequence[TableSet],
    sides: dict[str, Side],
    n_splits: int,
    cache: Cache,
    *,
    n_jobs: int = 1,
    needs_whole: bool = False,
) -> Outcome:
    """Return the results of sides on sets; those that the cache does not have are measured.

    Parameters
    ----------
    sets : sequence of TableSet
        Sets that are installed.
    sides : dict of Side
        Learners by name.
    n_splits : int
        Splits of each set.
    cache : Cache
        Known results. New ones are added as soon as they are there.
    n_jobs : int, default=1
        Number of processes. Each measures one side on one split at a time.
    needs_whole : bool, default=False
        Whether results without calibration and prediction time are measured again.
    """
    found: dict[_Place, Result] = {}
    keys: dict[_Place, str] = {}
    facts: dict[str, Facts] = {}

    def missing() -> Iterator[tuple]:
        """Put known results in their places, and yield a call for each of the others."""
        for data_set in sets:
            table, is_classification = data_set.read(), data_set.is_classification
            facts[data_set.name] = table.facts
            of_table = joblib.hash((table.X, table.y))
            for number, split in enumerate(split_rows(table, is_classification, n_splits)):
                for name, side in sides.items():
                    if is_classification not in side.kinds:
                        continue
                    place = _Place(name, data_set.name, number)
                    model = side.make(is_classification, number)
                    key = f"{name}, {data_set.name}, {number}, {joblib.hash(model)}, {of_table}"
                    keys[place] = key + side.version
                    known = cache.get(keys[place])
                    if known is None or (needs_whole and not known.is_whole):
                        yield joblib.delayed(_measured)(
                            place, model, table, is_classification, split
                        )
                    else:
                        found[place] = known

    with joblib.Parallel(n_jobs, return_as="generator_unordered") as parallel:
        for place, result in parallel(missing()):
            found[place] = result
            cache.add(keys[place], result)
            found_in_short = f"{result.loss:.4g}, {result.seconds:.2f} s"
            print(f"{', '.join(map(str, place))}: {found_in_short}", flush=True)
    results: dict[str, dict[str, list[Result]]] = {
        name: {each.name: [] for each in sets if each.is_classification in side.kinds}
        for name, side in sides.items()
    }
    for place in sorted(found, key=lambda place: place.number):
        results[place.side][place.data_set].append(found[place])
    return Outcome(results, facts)


def _measured(
    place: _Place,
    model: BaseEstimator,
    table: Table,
    is_classification: bool,
    split: tuple[np.ndarray, ...],
) -> tuple[_Place, Result]:
    try:
        return place, measure(model, table, is_classification, split)
    except Exception as error:
        error.add_note(f"This was {place.side} on {place.data_set}, split {place.number}.")
        raise


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`sets_of` and a run need."""
    parser.add_argument("--half", choices=HALVES, help="sets of one half")
    parser.add_argument("--sets", help='names of sets, by ";"')
    parser.add_argument("--splits", type=int, default=3, choices=range(1, MAX_SPLITS + 1))
    parser.add_argument("--cache", type=Path, help="file with results, to go on with")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    parser.add_argument("--quick", action="store_true", help="three small sets and quick sides")


def sets_of(options: argparse.Namespace) -> list[TableSet]:
    """Return the sets of the options that are installed, and print which ones are not."""
    names = chosen("sets", options.sets, QUICK_SETS if options.quick else TABLE_SETS)
    sets = [TABLE_SETS[name] for name in names]
    sets = [each for each in sets if options.half in (None, each.half)]
    for source in sorted({each.source for each in sets if not each.is_installed}):
        left_out = [each.name for each in sets if each.source == source]
        print(f"{source} is not installed. Left out: {', '.join(left_out)}.")
    return [each for each in sets if each.is_installed]


def chosen(kind: str, given: str | None, known: Iterable[str]) -> list[str]:
    """Return the names in an option, by ";" or all; an error if one is not known."""
    known = list(known)
    names = known if given is None else [name.strip() for name in given.split(";")]
    for name in names:
        if name not in known:
            raise SystemExit(f"{name!r} is not one of the {kind}: {'; '.join(known)}")
    return names
