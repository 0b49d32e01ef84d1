"""The writer of a run to disk, a chunk at a time, during the training."""

import os
from pathlib import Path
from typing import Any

from sklearn_metabp.network import Step
from sklearn_metabp.tracing.chunk_buffer import ChunkBuffer
from sklearn_metabp.tracing.chunks import KIND, RunHeader
from sklearn_metabp.tracing.file_writer import FileLayout, FileWriter, write_file
from sklearn_metabp.tracing.run import RecordedSteps
from sklearn_metabp.tracing.worker import Worker

CHUNK_SUFFIX = ".safetensors"
UNFINISHED_SUFFIX = ".unfinished"

# Number of chunks that may wait to be flushed, so that a short delay of the disk stops nothing.
_MOST_UNFLUSHED = 4


class RunWriter:
    """Writer of one training into a folder of its own.

    Memory holds one chunk. A thread writes it, a piece at a time, while the next pieces are filled.
    Another thread flushes the chunks that have been written. So a training that is killed loses
    only the pieces that were not written yet, which are at most one chunk.

    Parameters
    ----------
    folder : Path
        Made here; it must not exist.
    header : RunHeader
    recorded_steps : RecordedSteps

    Attributes
    ----------
    next_index : int
        Number of the step that continues the run.
    """

    def __init__(self, folder: Path, header: RunHeader, recorded_steps: RecordedSteps):
        self.folder, self.header, self.recorded_steps = folder, header, recorded_steps
        try:
            os.makedirs(folder)
        except OSError as error:
            raise with_context(error, f"the trace cannot be written to {str(folder)!r}") from error
        self._number = self._n_kept = 0
        self.next_index = recorded_steps.first_index
        self._failed = False
        self._buffer: ChunkBuffer | None = None
        self._layout: FileLayout | None = None
        self._writing: Worker | None = None
        self._flushing: Worker | None = None
        # Used by the threads: the chunk being written, the first error, and whether a chunk could
        # not be flushed.
        self._file: FileWriter | None = None
        self._error: Exception | None = None
        self._has_gap = False

    def same_kind(self, *, adds_updates: bool, is_replayable: bool) -> bool:
        """Tell whether a rule with these properties is of the same kind as that of this run."""
        return adds_updates == self.header.adds_updates

    def continues_with(self, step: Step) -> bool:
        """Tell whether a step is the next one of this run."""
        return (
            not self._failed
            and step.index == self.next_index
            and step.n_patterns <= (self.header.max_patterns or step.n_patterns)
            and (step.network is self.header.network or step.network == self.header.network)
        )

    def append(self, step: Any) -> None:
        """Copy a step, and hand the piece to the writer if it is full.

        Raises
        ------
        OSError
            If an earlier piece could not be written.
        """
        recorded = step.index in self.recorded_steps
        if recorded:
            if self._buffer is None:
                self._buffer = ChunkBuffer(self.header)
                self._layout = self._buffer.file_layout()
            if self._buffer.begins_piece:
                self._make_room(self._buffer)
            self._buffer.append(step)
        # If Ctrl-C comes before this line, nothing continues the run, so no step is missing in it.
        self.next_index = step.index + 1
        if recorded and self._buffer.begins_piece:  # type: ignore[union-attr]
            self._hand_over(self._buffer)  # type: ignore[arg-type]

    def pass_to(self, index: int) -> None:
        """Go on to a step, up to which no more steps are recorded."""
        if self.next_index <= index < self.recorded_steps.next_from(self.next_index):
            self.next_index = index + 1

    def _make_room(self, buffer: ChunkBuffer) -> None:
        """Wait until the piece that the next one overwrites has been written."""
        if self._writing is not None:
            self._writing.wait_for_fewer_than(buffer.n_pieces)
            if self._error is not None:
                raise self._failure()

    def _hand_over(self, buffer: ChunkBuffer) -> None:
        """Let the first thread write the last piece."""
        if self._writing is None:
            self._flushing, self._writing = Worker("trace flusher"), Worker("trace writer")
        self._writing.submit(
            self._write, buffer, self._number, buffer.n_used // buffer.piece_rows - 1
        )
        if buffer.n_used == buffer.n_rows:
            self._number, buffer.n_used = self._number + 1, 0

    def _write(self, buffer: ChunkBuffer, number: int, piece: int) -> None:
        """Write a piece, and let the second thread flush a full chunk. Runs in the first thread."""
        if self._error is not None:
            return
        try:
            if piece == 0:
                self._file = FileWriter(*self._names(number), self._layout)  # type: ignore[arg-type]
            file: FileWriter = self._file  # type: ignore[assignment]
            start = piece * buffer.piece_rows
            file.write(piece, buffer.rows(start, start + buffer.piece_rows))
            if piece == buffer.n_pieces - 1:
                self._flushing.wait_for_fewer_than(_MOST_UNFLUSHED)  # type: ignore[union-attr]
                self._file = None
                self._flushing.submit(self._finish, file, buffer.n_rows)  # type: ignore[union-attr]
        except Exception as error:
            self._error = self._error or error

    def _finish(self, file: FileWriter, n_rows: int) -> None:
        """Flush a chunk. Runs in the second thread."""
        if self._has_gap:
            file.discard()
            return
        try:
            file.finish()
            self._n_kept += n_rows
        except Exception as error:
            self._has_gap = True
            self._error = self._error or error

    def _names(self, number: int) -> tuple[Path, Path]:
        """Return the name of a chunk's file, and its name until it is finished."""
        return (
            self.folder / f"{number:08d}{CHUNK_SUFFIX}",
            self.folder / f"{number:08d}{UNFINISHED_SUFFIX}",
        )

    def flush(self) -> None:
        """Write the last steps as a chunk, and free the memory. More steps may follow.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        # If this is interrupted before all is written, nothing may continue the run.
        is_sound, self._failed = not self._failed, True
        try:
            self._wait()
            if self._error is not None and is_sound:
                raise self._failure()
            if self._buffer is not None and self._buffer.n_used:
                self._write_rest(self._buffer)
        finally:
            try:
                self._wait()
            finally:
                self._release()
        self._failed = not is_sound

    def _release(self) -> None:
        if self._file is not None and self._has_gap:
            self._file.discard()
        elif self._file is not None:
            self._file.leave()
        self._writing = self._flushing = self._buffer = self._file = None

    def _wait(self) -> None:
        """Wait until the threads have done all jobs."""
        for worker in (self._writing, self._flushing):
            if worker is not None:
                worker.finish()

    def _write_rest(self, buffer: ChunkBuffer) -> None:
        """Write the last chunk, which is not full, at once; all its steps are in memory."""
        name, _ = self._names(self._number)
        try:
            write_file(name, KIND, self.header.to_json(), buffer.rows(0, buffer.n_used))
        except OSError as error:
            self._error = error
            raise self._failure() from error
        self._n_kept += buffer.n_used
        self._number += 1

    def _failure(self) -> Exception:
        self._failed = True
        self._wait()
        error, self._buffer = self._error, None
        if self._file is not None and not self._has_gap:
            self._n_kept += self._file.n_sound * self._layout.piece_rows  # type: ignore[union-attr]
        if not isinstance(error, OSError):
            return error  # type: ignore[return-value]
        failure = with_context(
            error,
            f"the trace cannot be written to {str(self.folder)!r}; the first {self._n_kept} "
            "recorded "
            f"steps of this run are kept there, the later ones are lost",
        )
        failure.__cause__ = error
        return failure


def with_context(error: OSError, what: str) -> OSError:
    """Return an error with the same number, whose message begins with ``what``."""
    return OSError(error.errno, f"{what}: {error.strerror or error}")
