"""The files around the package: workflows, templates, versions and links."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

import sklearn_metabp

ROOT = Path(sklearn_metabp.__file__).parents[1]
PROJECT = ROOT / "pyproject.toml"
pytestmark = pytest.mark.skipif(
    not PROJECT.exists(), reason="the tests run without the repository around them"
)
SCHEMAS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    ".github/ISSUE_TEMPLATE/[!c]*.yml": "vendor.github-issue-forms",
    "CITATION.cff": "vendor.citation-file-format",
}


def read(name):
    return (ROOT / name).read_text("utf-8")


@pytest.mark.skipif(
    importlib.util.find_spec("check_jsonschema") is None, reason="check-jsonschema is missing"
)
@pytest.mark.parametrize("pattern", SCHEMAS)
def test_a_file_fits_its_schema(pattern):
    files = sorted(map(str, ROOT.glob(pattern)))
    assert files
    program = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[pattern]]
    done = subprocess.run(
        [*program, "--default-filetype", "yaml", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert sklearn_metabp.__version__ == version
    assert re.search(r"^version: (.+)$", read("CITATION.cff"), re.MULTILINE)[1] == version
    newest = re.search(
        r"^(Unreleased|\d[\w.]* \(\d{4}-\d\d-\d\d\))\n-+$", read("CHANGELOG.md"), re.M
    )
    released = re.search(r"^date-released: (.+)$", read("CITATION.cff"), re.MULTILINE)[1]
    assert newest[1] in {"Unreleased", f"{version} ({released})"}


def test_the_workflows_test_the_versions_of_python_that_the_package_names():
    project = tomllib.loads(read("pyproject.toml"))
    named = {
        one.rpartition(" ")[2]
        for one in project["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", one)
    }
    tested = re.search(r"python: \[(.*)\]", read(".github/workflows/tests.yml"))[1]
    assert set(re.findall(r"[\d.]+", tested)) == named
    built = re.findall(r"cp(3)(\d+)-", project["tool"]["cibuildwheel"]["build"])
    assert {".".join(one) for one in built} == named


PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]


@pytest.mark.parametrize("page", PAGES)
def test_a_relative_link_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(page))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_description_for_the_index_has_whole_addresses(monkeypatch):
    monkeypatch.chdir(ROOT)
    described = {}
    # setup.py needs no more of setuptools than these two names.
    fake = SimpleNamespace(Extension=lambda *_, **__: None, setup=described.update)
    monkeypatch.setitem(sys.modules, "setuptools", fake)
    exec(compile(read("setup.py"), "setup.py", "exec"), {})
    text = described["long_description"]
    assert re.findall(r"\]\((?!https?:|#)[^)]*\)", text) == []
    version = sklearn_metabp.__version__
    home = f"https://github.com/sklearn-metabp/sklearn-metabp/blob/v{version}/"
    assert f"]({home}docs/_static/learned_rule.png?raw=true)" in text
    assert f"]({home}CHANGELOG.md)" in text
