"""Where the documentation of an estimator is, for its HTML representation."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


class DocLinkMixin:
    """Links the HTML representation to the page of the class, where the package says where its pages are.

    That is the ``Documentation`` entry of ``[project.urls]`` in ``pyproject.toml``, as the installed
    package has it. Without one there is no link, and classes that others derive have none.

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
    """Address of the published documentation, without a slash at its end; None if there is none.

    Examples
    --------
    >>> from sklearn_metabp.doc_links import documentation_url
    >>> url = documentation_url()
    >>> url is None or url.startswith("http")
    True
    """
    try:
        entries = metadata("sklearn-metabp").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from the sources, not installed
        return None
    for entry in entries:
        label, _, url = entry.partition(",")
        if label.strip().lower() == "documentation":
            return url.strip().rstrip("/")
    return None
