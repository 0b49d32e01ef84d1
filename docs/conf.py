"""Sphinx configuration."""

import re
from importlib.metadata import version as installed_version

project = "sklearn_metabp"
author = "The sklearn_metabp developers"
copyright = author
release = installed_version("sklearn-metabp")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "matplotlib.sphinxext.plot_directive",
]
templates_path = ["_templates"]
# The design notes are for developers and are read where they lie.
exclude_patterns = ["_build", "_templates", "design"]

smartquotes = False  # types in docstrings are code
toc_object_entries_show_parents = "hide"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings name types, shapes and ranges
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
}

copybutton_exclude = ".linenos, .gp, .go"  # no prompts and no printed outputs

# A picture of a page is drawn by code on the page, in doctest format, so that the tests run it too.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 144)]
plot_rcparams = {"figure.figsize": (6.4, 3.6), "figure.constrained_layout.use": True}
plot_apply_rcparams = True

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_metabp"
html_static_path = ["_static"]
html_css_files = ["sklearn_metabp.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages of one level have no sections to list on the left.
html_sidebars = {"**": []}

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


def setup(app):
    """Connect the hooks above; the second before numpydoc's own, at 500."""
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("autodoc-process-docstring", _escape_attributes_in_types, priority=400)
