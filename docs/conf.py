"""Sphinx configuration."""

import inspect
import re
import sys
from functools import reduce
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

import sklearn_metabp
from sklearn_metabp import LineSearchRule, UpdateRule
from sklearn_metabp.plotting import figure_style
from sklearn_metabp.update_rules import TrainingRule

DOCS = Path(__file__).parent
PACKAGE = Path(sklearn_metabp.__file__).parent
sys.path.insert(0, str(DOCS))
from inventories.write import LIBRARIES  # noqa: E402

REPOSITORY = "https://github.com/sklearn-metabp/sklearn-metabp"
_OWNER, _NAME = REPOSITORY.split("/")[-2:]

project = "sklearn_metabp"
author = "The sklearn_metabp developers"
copyright = author
release = installed_version("sklearn-metabp")
version = release
_REVISION = "main" if "dev" in release else f"v{release}"

nitpicky = True  # a link to nothing is an error
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "matplotlib.sphinxext.plot_directive",
]
templates_path = ["_templates"]
# The design notes are for developers and are read where they lie.
exclude_patterns = ["_build", "_templates", "design"]
extlinks = {
    "repo": (f"{REPOSITORY}/blob/{_REVISION}/%s", "%s"),  # :repo:`benchmarks/floor.py`
    # :binder:`text <page>` opens the notebook that binder/make_notebooks.py writes of a page.
    "binder": (
        "https://mybinder.org/v2/gh/sklearn-metabp/sklearn-metabp/main"
        "?urlpath=lab/tree/notebooks/%s.ipynb",
        None,
    ),
}
extlinks_detect_hardcoded_links = False

# The inventories are files in this repository, so that a build needs no network.
intersphinx_mapping = {
    name: (library.url, str(DOCS / "inventories" / f"{name}.txt"))
    for name, library in LIBRARIES.items()
}

smartquotes = False  # types in docstrings are code
toc_object_entries_show_parents = "hide"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings name types, shapes and ranges
maximum_signature_line_length = 60  # a longer signature has one parameter per line
autosummary_context = {
    # Members that a class inherits from these are not on its page.
    "left_out": ", ".join(
        {
            parent.__name__: None
            for kind in vars(sklearn_metabp).values()
            if inspect.isclass(kind)
            for parent in kind.__mro__
            if not parent.__module__.startswith("sklearn_metabp.")
        }
        | dict.fromkeys(("ExplainsParameters", "DocLinkMixin", "tuple", "RuntimeError", "OSError"))
    ),
    # Rules do as their base says, so their pages have only what they add.
    "rules": [
        name
        for name, kind in vars(sklearn_metabp).items()
        if inspect.isclass(kind)
        and issubclass(kind, TrainingRule)
        and kind not in (UpdateRule, LineSearchRule)
    ],
}
numpydoc_show_class_members = False  # the class template lists them
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"plot_",
    "ignore_pattern": r"^(?!plot_)",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_signature": False,
    "capture_repr": ("_repr_html_",),  # no <matplotlib.legend.Legend object at 0x7f...>
    "write_computation_times": False,
    "doc_module": ("sklearn_metabp",),
    "backreferences_dir": "api/generated/backreferences",  # pages of the API list their examples
    "binder": {
        "org": "sklearn-metabp",
        "repo": "sklearn-metabp",
        "branch": "main",
        "binderhub_url": "https://mybinder.org",
        "dependencies": "../binder/environment.yml",
        "notebooks_dir": "notebooks",
        "use_jupyter_lab": True,
    },
}

# Of a block with prompts, only the code is copied: no prompts and no printed outputs.
copybutton_exclude = ".linenos, .go"
copybutton_prompt_text = r">>> |\.\.\.(?: |$)"
copybutton_prompt_is_regexp = True
copybutton_copy_empty_lines = False  # where an output was

# One file of MathJax 3, with its fonts (Apache License 2.0), so that formulas need no network.
_MATHJAX = "sphinx-mathjax-offline"  # the package on PyPI; its module has the same name
mathjax_path = "tex-svg-full.js"

# A picture of a page is drawn by code on the page, in doctest format, so that the tests run it too.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 144)]
plot_rcparams = figure_style() | {"figure.figsize": (6.4, 3.6)}
plot_apply_rcparams = True

html_theme = "pydata_sphinx_theme"
html_title = f"sklearn_metabp {version}"
html_static_path = [
    "_static",
    str(Path(find_spec(_MATHJAX).origin).parent / "static" / "mathjax" / mathjax_path),
]
html_css_files = ["sklearn_metabp.css"]
html_copy_source = False
html_show_sourcelink = False
html_context = {
    "github_user": _OWNER,
    "github_repo": _NAME,
    "github_version": "main",
    "doc_path": "docs",
}
html_theme_options = {
    "logo": {"text": html_title},
    "icon_links": [{"name": "Source code", "url": REPOSITORY, "icon": "fa-brands fa-github"}],
    "navbar_center": [],  # the sidebar lists the pages
    "show_toc_level": 2,
    "use_edit_page_button": True,
    "secondary_sidebar_items": {
        "*": ["page-toc", "edit-this-page"],
        "api/**": ["page-toc"],  # generated pages have no source to edit
        "auto_examples/**": ["page-toc"],
    },
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"**": ["all-pages"]}

_REQUEST_METHOD = re.compile(r"set_\w+_request")
_ATTRIBUTE_IN_TYPE = re.compile(r"(?<=\()(\w+)_(?=[,)])")


def _skip_member(app, what, name, obj, skip, options):
    """Leave out what scikit-learn generates for metadata routing: it refers to pages of its own."""
    return True if _REQUEST_METHOD.fullmatch(name) else None


def _escape_attributes_in_types(app, what, name, obj, options, lines):
    """``x : ndarray of shape (n_features_in_,)`` names an attribute, not a link target."""
    for number, line in enumerate(lines):
        parameter, colon, kind = line.partition(" : ")
        if colon:
            lines[number] = parameter + colon + _ATTRIBUTE_IN_TYPE.sub(r"\1\\_", kind)


def _find_short_name(app, env, node, contnode):
    """Look for :class:`Adam` in all modules, after the module that names it."""
    if node.get("refdomain") != "py" or node.get("refspecific"):
        return None
    node["refspecific"] = True
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, contnode
    )


def linkcode_resolve(domain, info):
    """Return the address of the source of an object, or None."""
    try:
        found = reduce(getattr, info["fullname"].split("."), sys.modules[info["module"]])
        found = inspect.unwrap(found.fget if isinstance(found, property) else found)
        file = Path(inspect.getsourcefile(found)).relative_to(
            Path(sklearn_metabp.__file__).parents[1]
        )
        lines, first = inspect.getsourcelines(found)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return None  # a number, a table, a compiled object, or a member of another library
    last = first + len(lines) - 1
    return f"{REPOSITORY}/blob/{_REVISION}/{file.as_posix()}#L{first}-L{last}"


def setup(app):
    """Connect the hooks above; the second before numpydoc's own, at 500."""
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("autodoc-process-docstring", _escape_attributes_in_types, priority=400)
    app.connect("missing-reference", _find_short_name)
