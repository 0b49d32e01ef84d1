"""Where the documentation of an estimator is, for its HTML representation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

BUILT_HERE = Path(__file__).resolve().parents[1] / "docs" / "_build" / "html"


class DocLinkMixin:
    """Links the HTML representation to the page of the class, where the package says where its pages are.

    That is the ``Documentation`` entry of ``[project.urls]`` in ``pyproject.toml``, as the
    installed package has it; without one the pages that were built in the clone that the package
    runs from. Where there are none there is no link, and classes that others derive have none.

    Every class that has this mixin is documented as ``sklearn_metabp.<its name>``.
    """

    _doc_link_module = "sklearn_metabp"
    _doc_link_template = "{documentation}/api/generated/sklearn_metabp.{name}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str | None]:
        return {"documentation": documentation_url(), "name": type(self).__name__}

    def _get_doc_link(self) -> str:
        return super()._get_doc_link() if documentation_url() else ""  # type: ignore[misc]


@cache
def documentation_url() -> str | None:
    """Address of the documentation, published or built here, without a slash at its end; or None.

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
