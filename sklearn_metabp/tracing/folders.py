"""A trace on disk: a directory with a folder per run, which has a file per chunk of steps."""

import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from sklearn_metabp.tracing.chunks import (
    Chunk,
    RunHeader,
    TraceFileError,
    read_chunk,
    read_unfinished_chunk,
    space_for_patterns,
)
from sklearn_metabp.tracing.disk_run import DiskRun
from sklearn_metabp.tracing.leftovers import make_and_lock, remove_leftovers_in, remove_leftovers_of
from sklearn_metabp.tracing.run import RecordedSteps, Run
from sklearn_metabp.tracing.run_writer import CHUNK_SUFFIX, UNFINISHED_SUFFIX, RunWriter

_RUN_NAME = re.compile(r"run-\d{20}(-[0-9a-f]{12})?")
_CHUNK_NAME = re.compile(r"\d{8}" + re.escape(CHUNK_SUFFIX))

_clock_lock = threading.Lock()
_last_time = 0


def new_run_name() -> str:
    """Return a unique name for the folder of a run. Names sort by the time they were made."""
    global _last_time
    with _clock_lock:
        _last_time = max(time.time_ns(), _last_time + 1)
        return f"run-{_last_time:020d}-{uuid.uuid4().hex[:12]}"


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path, which a change of the working directory does not affect."""
    return Path(os.path.abspath(path))


def open_runs(path: str | os.PathLike[str]) -> list[DiskRun]:
    """Open the runs in a trace's directory, in the order in which they were begun.

    Runs of which nothing has been written and files that are not part of a trace are left out.

    Raises
    ------
    TraceFileError
        If there is no run at all, or a file is damaged or missing.
    """
    directory = absolute(path)
    names = run_names(directory)
    if not names:
        raise TraceFileError(f"{str(directory)!r}: there is no recorded run in this directory.")
    runs = [find_run(directory / name) for name in names]
    return [run for run in runs if run is not None]


def run_names(directory: Path) -> list[str]:
    """Return the names of the folders of runs, in the order in which the runs were begun.

    Raises
    ------
    TraceFileError
        If the directory cannot be read.
    """
    return sorted(name for name in _entries(directory) if _RUN_NAME.fullmatch(name))


def remove_leftovers_of_runs(directory: Path) -> None:
    """Remove the temporary files that killed trainings have left in the directory of a trace."""
    if directory.exists():
        for name in run_names(directory):
            remove_leftovers_in(directory / name)


def find_run(folder: Path) -> DiskRun | None:
    """Open the run in a folder, or return None if nothing of it has been written.

    The last chunks are unfinished if the run is still recorded or its process was killed. The
    complete pieces of an unfinished chunk are read.

    Raises
    ------
    TraceFileError
        If a file is damaged or missing, or is of another run.
    """
    chunks: list[Chunk] = []
    for number, name in enumerate(_chunk_names(folder)):
        chunk = read_chunk(folder / name)
        if int(name.removesuffix(CHUNK_SUFFIX)) != number:
            raise chunk.file.fault(f"chunk {number} of the run is missing")
        if chunks:
            _check_follows(chunks[-1], chunk)
        chunks.append(chunk)
    while (unfinished := _unfinished(folder, chunks)) is not None:
        chunks.append(unfinished)
    return DiskRun(folder, chunks, open_run) if chunks else None


def _unfinished(folder: Path, chunks: list[Chunk]) -> Chunk | None:
    """Return the complete pieces of the next chunk, or None if there are none."""
    number = len(chunks)
    try:
        chunk = read_unfinished_chunk(folder / f"{number:08d}{UNFINISHED_SUFFIX}")
        if chunks:
            _check_follows(chunks[-1], chunk)
    except TraceFileError:
        # The chunk may have been finished after the folder was listed.
        finished = folder / f"{number:08d}{CHUNK_SUFFIX}"
        return read_chunk(finished) if finished.exists() else None
    return chunk


def open_run(folder: Path) -> DiskRun:
    """Open the run in a folder.

    Raises
    ------
    TraceFileError
        If there is none, or a file is damaged.
    """
    run = find_run(folder)
    if run is None:
        raise TraceFileError(
            f"{str(folder)!r}: nothing of a run has been written in this directory."
        )
    return run


def _chunk_names(folder: Path) -> list[str]:
    names: list[str] = []
    # A listing made while chunks are added may have a later chunk without an earlier one. The
    # second listing has both.
    for _ in range(2):
        names = sorted(name for name in _entries(folder) if _CHUNK_NAME.fullmatch(name))
        if not names or int(names[-1].removesuffix(CHUNK_SUFFIX)) == len(names) - 1:
            break
    return names


def _check_follows(before: Chunk, chunk: Chunk) -> None:
    name = before.file.path.name
    if chunk.header != before.header:
        raise chunk.file.fault(f"it is of another run than {name!r}")
    if chunk.scalars["indices"][0] != before.scalars["indices"][-1] + chunk.header.every:
        raise chunk.file.fault(f"its first step is not the next after the last of {name!r}")
    if chunk.scalars["epochs"][0] < before.scalars["epochs"][-1]:
        raise chunk.file.fault(f"its epochs run backwards from those of {name!r}")


def _entries(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError as error:
        raise TraceFileError(
            f"{str(directory)!r}: it cannot be read: {error.strerror or error}."
        ) from error


def save_runs(path: str | os.PathLike[str], runs: Sequence[Run]) -> None:
    """Write runs as a new directory, completely or not at all.

    Raises
    ------
    FileExistsError
        If something is there already.
    OSError
        If it cannot be written.
    """
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not (target.is_dir() and not os.listdir(target)):
        raise FileExistsError(
            f"{str(target)!r} exists and is not an empty directory: save the trace under another "
            "name, or "
            f"record into that one with TraceRecorder(path=...)."
        )
    remove_leftovers_of(target)
    temporary, hold = None, None
    try:
        temporary, hold = make_and_lock(target)
        for number, run in enumerate(runs):
            _save_run(run, temporary / f"run-{number:020d}")
        if target.is_dir():
            target.rmdir()
        os.rename(temporary, target)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise OSError(
            cause.errno,
            f"the trace cannot be saved to {str(target)!r}, and nothing of it is kept there: "
            f"{cause.strerror or cause}",
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if hold is not None:
            hold.close()


def _save_run(run: Run, folder: Path) -> None:
    every = run.recorded_steps.every
    max_patterns = space_for_patterns(run.max_patterns, run.variables)
    header = RunHeader(
        run.network, run.variables, every, max_patterns, run.dtype, run.adds_updates, task=run.task
    )
    writer = RunWriter(folder, header, RecordedSteps(int(run.scalars["indices"][0]), every))
    try:
        for _, step in run.steps(recorded_only=True):
            writer.append(step)
    finally:
        writer.flush()
