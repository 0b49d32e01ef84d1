"""HTML representations link to the pages whose address is in the metadata of the package."""

import importlib.metadata
import re
import tomllib
from email.message import Message
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

import sklearn_metabp
from sklearn_metabp import (
    SGD,
    BackpropMLPClassifier,
    BackpropMLPRegressor,
    LearnedUpdateRule,
    doc_links,
)
from sklearn_metabp.update_rules import UPDATE_RULES

ROOT = Path(sklearn_metabp.__file__).parents[1]
PROJECT = ROOT / "pyproject.toml"
ESTIMATORS = [
    value
    for value in vars(sklearn_metabp).values()
    if isinstance(value, type) and issubclass(value, BaseEstimator)
]
LINKED = sorted({*ESTIMATORS, *UPDATE_RULES.values()}, key=lambda kind: kind.__name__)
PAGE = "https://docs.example.org/metabp/api/generated/sklearn_metabp."


@pytest.fixture
def urls(monkeypatch):
    """Set the metadata of the installed package."""

    def install(*entries):
        described = Message()
        for entry in entries:
            described["Project-URL"] = entry
        monkeypatch.setattr(doc_links, "metadata", lambda name: described)
        doc_links.documentation_url.cache_clear()

    yield install
    doc_links.documentation_url.cache_clear()


@pytest.fixture
def published(urls):
    urls("Source, https://example.org/source", "Documentation, https://docs.example.org/metabp/")


def links_in(estimator):
    return re.findall(r'<a [^>]*href="([^"]+)"', estimator_html_repr(estimator))


@pytest.mark.parametrize(
    "estimator", [BackpropMLPClassifier(), BackpropMLPRegressor(), LearnedUpdateRule(), SGD()]
)
def test_an_estimator_links_to_its_page(estimator, published):
    assert f"{PAGE}{type(estimator).__name__}.html" in links_in(estimator)


def test_a_pipeline_links_to_the_pages_of_its_parts(published):
    links = links_in(make_pipeline(StandardScaler(), BackpropMLPClassifier()))
    assert f"{PAGE}BackpropMLPClassifier.html" in links
    assert any(
        link.startswith("https://scikit-learn.org") and "StandardScaler" in link for link in links
    )


@pytest.mark.parametrize("entries", [(), ("Source, https://example.org/source",)])
def test_without_published_documentation_there_is_no_link(entries, urls):
    urls(*entries)
    assert BackpropMLPClassifier()._get_doc_link() == ""
    assert links_in(BackpropMLPClassifier()) == []


def test_a_package_that_is_not_installed_has_no_link(monkeypatch, urls):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    urls()
    monkeypatch.setattr(doc_links, "metadata", missing)
    assert SGD()._get_doc_link() == ""


@pytest.mark.skipif(not PROJECT.exists(), reason="pyproject.toml is not installed")
def test_the_project_gives_the_address_of_its_documentation(urls):
    addresses = tomllib.loads(PROJECT.read_text("utf-8"))["project"]["urls"]
    urls(*(f"{label}, {url}" for label, url in addresses.items()))
    page = f"{addresses['Documentation']}api/generated/sklearn_metabp.SGD.html"
    assert page in links_in(SGD())


def test_a_rule_of_ones_own_has_no_page_here(published):
    class Mine(SGD):
        pass

    assert Mine()._get_doc_link() == ""


@pytest.mark.parametrize("kind", LINKED, ids=lambda kind: kind.__name__)
def test_the_page_that_is_linked_is_in_the_documentation(kind):
    assert getattr(sklearn_metabp, kind.__name__) is kind
    listed = re.findall(
        r"^    (\w+)$", (ROOT / "docs" / "api.rst").read_text("utf-8"), re.MULTILINE
    )
    assert kind.__name__ in listed
