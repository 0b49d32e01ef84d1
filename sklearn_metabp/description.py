"""Descriptions of objects: one description, shown as text and in notebooks as HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

# A longer list of rows does not fit a screen.
MOST_ROWS = 12


class Table(NamedTuple):
    """A table of texts.

    Attributes
    ----------
    head : tuple of str
        Name of every column. Empty for a table of facts, whose first column has names.
    rows : sequence of tuple of str
        The cells, row by row.
    right_aligned : tuple of bool
        True for columns whose cells are aligned to the right, as numbers are. Empty for no column.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    right_aligned: tuple[bool, ...] = ()

    @classmethod
    def of_facts(cls, facts: dict[str, str]) -> "Table":
        """Return a table with a name and a fact in every row."""
        return cls((), list(facts.items()))

    def to_text(self) -> str:
        """Return the rows as lines, with their cells aligned."""
        rows = [self.head, *self.rows] if self.head else list(self.rows)
        if not rows:
            return ""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = [
                cell.rjust(width) if is_right else cell.ljust(width)
                for cell, width, is_right in zip(row, widths, self._alignment(row), strict=True)
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def to_html(self) -> str:
        """Return the table in HTML, with all texts escaped."""
        head = ""
        if self.head:
            head = f"<thead>{self._html_row(self.head, ['th'] * len(self.head))}</thead>"
        first = "td" if self.head else "th"
        body = [self._html_row(row, [first, *["td"] * (len(row) - 1)]) for row in self.rows]
        return f"<table>{head}<tbody>{''.join(body)}</tbody></table>"

    def _alignment(self, row: tuple[str, ...]) -> tuple[bool, ...]:
        return self.right_aligned or (False,) * len(row)

    def _html_row(self, row: tuple[str, ...], tags: list[str]) -> str:
        cells = []
        for text, tag, is_right in zip(row, tags, self._alignment(row), strict=True):
            style = " class='metabp-number'" if is_right else ""
            cells.append(f"<{tag}{style}>{escape(text)}</{tag}>")
        return f"<tr>{''.join(cells)}</tr>"


class Described:
    """Mixin of an object that is shown by a title and by tables and texts below it.

    The ``repr`` is the title. A notebook shows all of it. Subclasses define the two methods.
    """

    def _title(self) -> str:
        """Return one line that says what the object is and what is in it."""
        raise NotImplementedError

    def _details(self) -> Iterable[Table | str]:
        """Return the tables and texts below the title."""
        return ()

    def __repr__(self) -> str:
        return self._title()

    def _repr_html_(self) -> str:
        return to_html(self._title(), self._details())


class Report(Described):
    """Mixin of an object that is read as a whole: its text has all its tables and texts."""

    def __str__(self) -> str:
        return to_text(self._title(), self._details())

    def __repr__(self) -> str:
        return str(self)


def to_text(title: str, parts: Iterable[Table | str]) -> str:
    """Return a title and parts as text, with an empty line between two of them."""
    texts = [part if isinstance(part, str) else part.to_text() for part in parts]
    return "\n\n".join(text for text in [title, *texts] if text)


def to_html(title: str, parts: Iterable[Table | str]) -> str:
    """Return a title and parts in HTML, with all texts escaped, in the colours of the page."""
    body = [
        part.to_html() if isinstance(part, Table) else f"<pre>{escape(part)}</pre>"
        for part in parts
    ]
    return f"<div class='metabp-description'>{_STYLE}<p>{escape(title)}</p>{''.join(body)}</div>"


def count(n: int, noun: str) -> str:
    """Return a number and a noun, such as ``"1 step"`` and ``"2 steps"``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def shortened(
    rows: Sequence[tuple[str, ...]], noun: str, most: int | None = MOST_ROWS
) -> list[tuple[str, ...]]:
    """Return the first rows of a table, and a last row with the number of those left out.

    Parameters
    ----------
    rows : sequence of tuple of str
    noun : str
        A thing that a row is about, in the singular.
    most : int or None, default=12
        Maximal number of rows; None for all.
    """
    if most is None or len(rows) <= most:
        return list(rows)
    rest = f"... {count(len(rows) - most, f'more {noun}')}"
    return [*rows[:most], (rest, *[""] * (len(rows[0]) - 1))]


# Lines and text have the colour of the page, so a table fits a light and a dark one.
_STYLE = """<style>
.metabp-description { overflow-x: auto; font-size: 0.9em; }
.metabp-description > p { font-weight: bold; margin: 0.3em 0; }
.metabp-description > pre { margin: 0.4em 0; padding: 0; border: none; color: inherit;
  background: none; white-space: pre-wrap; }
.metabp-description table { border-collapse: collapse; margin: 0.4em 0; border: none;
  color: inherit; background: none; font-size: 1em; }
.metabp-description tr { background: none; }
.metabp-description th, .metabp-description td { text-align: left; padding: 0.2em 0.9em 0.2em 0;
  border: none; color: inherit; background: none; font-variant-numeric: tabular-nums;
  vertical-align: top; }
.metabp-description th { font-weight: normal; opacity: 0.7; }
.metabp-description .metabp-number { text-align: right; white-space: nowrap; }
.metabp-description thead th { border-bottom: 1px solid currentColor; }
</style>"""
