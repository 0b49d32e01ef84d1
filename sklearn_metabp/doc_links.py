"""Links from HTML representations to the documentation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


class DocLinkMixin:
    """Mixin that links the HTML representation of a class to its page in the documentation.

    The address is the ``Documentation`` entry of ``[project.urls]`` in ``pyproject.toml``, which
    every installation has in its metadata. A package that is not installed has no links. Classes
    that a user derives have none either.

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
    """Return the address of the documentation, or None if the package is not installed.

    Examples
    --------
    >>> from sklearn_metabp.doc_links import documentation_url
    >>> url = documentation_url()
    >>> url is None or url.startswith("https://")
    True
    """
    try:
        entries = metadata("sklearn-metabp").get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    labels_and_urls = (entry.partition(",") for entry in entries)
    return next(
        (url.strip().rstrip("/") for label, _, url in labels_and_urls if label == "Documentation"),
        None,
    )
