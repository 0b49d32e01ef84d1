"""Links from HTML representations to the documentation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

BUILT_HERE = Path(__file__).resolve().parents[1] / "docs" / "_build" / "html"


class DocLinkMixin:
    """Mixin that links the HTML representation of a class to its page in the documentation.

    The address is the ``Documentation`` entry of ``[project.urls]`` in ``pyproject.toml``, from the
    metadata of the installed package. Without this entry it is the folder of pages built in the
    clone. Without such pages there is no link, nor for classes that a user derives.

    Every class with this mixin has a page as ``sklearn_metabp.<its name>``.
    """

    _doc_link_module = "sklearn_metabp"
    _doc_link_template = "{documentation}/api/generated/sklearn_metabp.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str | None]:
        return {"documentation": documentation_url(), "name": type(self).__name__}

    def _get_doc_link(self) -> str:
        return super()._get_doc_link() if documentation_url() else ""  # type: ignore[misc]


@cache
def documentation_url() -> str | None:
    """Return the address of the documentation, published or built here; or None.

    Examples
    --------
    >>> from sklearn_metabp.doc_links import documentation_url
    >>> url = documentation_url()
    >>> url is None or url.startswith(("http", "file"))
    True
    """
    try:
        entries = metadata("sklearn-metabp").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from the sources, not installed
        entries = []
    for entry in entries:
        label, _, url = entry.partition(",")
        if label.strip().lower() == "documentation":
            return url.strip().rstrip("/")
    return BUILT_HERE.as_uri() if (BUILT_HERE / "index.html").is_file() else None
