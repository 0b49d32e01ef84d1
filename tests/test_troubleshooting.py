"""The page "Troubleshooting by error message" quotes messages that the package still has.

Most of them are raised by the examples of the page, which are doctests. These tests hold the rest
to the sources: messages that are quoted as text, and the titles under which readers look for them.
"""

import ast
import re
from pathlib import Path

import pytest

import sklearn_metabp

PACKAGE = Path(sklearn_metabp.__file__).parent
PAGE = PACKAGE.parent / "docs" / "troubleshooting.rst"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not installed")


def words_of(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def strings():
    """Return every string of the package; what is computed in a message is an ellipsis."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(map(words_of, found))


def sections():
    """Return the entries of the page: title and text."""
    pieces = re.split(r"\n(\S.*)\n~{3,}\n", PAGE.read_text(encoding="utf-8"))
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


def quoted():
    """Return the messages that the page quotes as text, cut where an ellipsis is."""
    messages = []
    for title, text in sections():
        for block in re.findall(r"\.\. code-block:: text\n\n((?:    .*\n)+)", text):
            for message in re.findall(r"(?m)^    (\w+: .+(?:\n    (?!\w+: ).+)*)", block):
                kind, words = words_of(message).split(": ", 1)
                if kind != "UntrustedTypesFoundException":  # of skops
                    parts = re.split(r"\s*\.\.\.\s*", words)
                    messages += [pytest.param(p, id=title) for p in parts if len(p) > 10]
    return messages


@pytest.mark.parametrize("message", quoted() if PAGE.exists() else [])
def test_a_quoted_message_is_in_the_sources(message, strings):
    assert message in strings


def test_messages_are_found_in_the_page():
    """An entry has a message: printed by an example or quoted, or it is a symptom in words."""
    without = [title for title, text in sections() if ">>>" not in text and "::" not in text]
    assert without == [
        "The fit begins anew, in spite of a checkpoint",
        "A worker process stopped while some jobs were being executed",
    ]


def test_a_title_has_the_words_of_its_message():
    """Readers search the page for the words of a message, so titles are made of these."""
    for title, text in sections():
        if "show(" in text and title != "Names of parameters and rules":
            for words in re.split(r"\s*…\s*", title.replace("\\", "")):
                assert words.lower() in words_of(text).lower(), title
