"""The sdist, from which an install works with a compiler and without one."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import sklearn_metabp
from sklearn_metabp import SGD, BackpropMLPClassifier

ROOT = Path(sklearn_metabp.__file__).parents[1]
NEEDED = [
    name
    for name in ("pip", "build", "setuptools", "Cython")
    if importlib.util.find_spec(name) is None
]

builds = pytest.mark.skipif(
    bool(NEEDED) or not (ROOT / "pyproject.toml").exists(),
    reason=f"building needs the source tree and {', '.join(NEEDED) or 'pyproject.toml'}",
)

# An installed copy reports on itself and writes what it trained.
PROGRAM = """
import sys, warnings, numpy as np
from sklearn.datasets import load_iris
import sklearn_metabp
from sklearn_metabp import _kernels, SGD, BackpropMLPClassifier
assert sklearn_metabp.__file__.startswith(sys.argv[1]), sklearn_metabp.__file__
X, y = load_iris(return_X_y=True)
rule = SGD(0.05, 0.9)
model = BackpropMLPClassifier((10,), "tanh", update_rule=rule, random_state=0, max_iter=100)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(X, y)
warned = any(one.category is sklearn_metabp.NotCompiledWarning for one in caught)
assert warned is not _kernels.COMPILED, caught
np.save(sys.argv[2], model.params_)
print(_kernels.COMPILED, model.score(X, y))
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Built from a copy of the sources, so that nothing is left in them."""
    source = tmp_path_factory.mktemp("source") / "tree"
    skipped = shutil.ignore_patterns(
        ".git", "build", "dist", "*.egg-info", "*.so", "*.c", "__pycache__", ".*"
    )
    shutil.copytree(ROOT, source, ignore=skipped)
    folder = tmp_path_factory.mktemp("dist")
    run(
        sys.executable,
        "-m",
        "build",
        "--sdist",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(source),
    )
    (path,) = folder.glob("*.tar.gz")
    return path


def install(sdist, folder, **environment):
    """Install outside this environment, and return what the installed package reports."""
    target = folder / "site"
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-cache-dir",
        "--target",
        str(target),
        str(sdist),
        env=os.environ | environment,
        cwd=folder,
    )
    params = folder / "params.npy"
    program = (sys.executable, "-W", "ignore", "-c", PROGRAM, str(target), str(params))
    compiled, score = run(
        *program, env=os.environ | {"PYTHONPATH": str(target)}, cwd=folder
    ).split()
    return compiled == "True", float(score), np.load(params), target


@pytest.fixture(scope="module")
def params_here():
    X, y = load_iris(return_X_y=True)
    model = BackpropMLPClassifier(
        (10,), "tanh", update_rule=SGD(0.05, 0.9), random_state=0, max_iter=100
    )
    with pytest.warns(UserWarning):
        return model.fit(X, y).params_


@pytest.mark.slow
@builds
def test_sdist_holds_all_that_a_build_needs(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    package = ROOT / "sklearn_metabp"
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.pyi", "*.pyx", "*.pxd", "*.h", "py.typed")
        for path in package.rglob(pattern)
    }
    assert wanted - names == set()
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc", ".pyd"))]


@pytest.mark.slow
@builds
def test_without_a_compiler_an_install_runs_on_numpy(sdist, tmp_path, params_here):
    compiled, score, params, target = install(sdist, tmp_path, CC="/bin/false", CXX="/bin/false")
    assert compiled is False
    assert not list(target.rglob("*.so"))
    assert score > 0.95
    np.testing.assert_allclose(params, params_here, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@builds
@pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler here")
def test_with_a_compiler_an_install_is_compiled(sdist, tmp_path, params_here):
    compiled, score, params, target = install(sdist, tmp_path)
    assert compiled is True
    assert list((target / "sklearn_metabp" / "_kernels" / "network").glob("_backprop*"))
    assert score > 0.95
    np.testing.assert_allclose(params, params_here, rtol=1e-9, atol=1e-9)


def test_version_is_that_of_the_metadata():
    version = getattr(sklearn_metabp, "__version__", None)
    if version is not None:
        assert version == importlib.metadata.version("sklearn-metabp")


def test_types_are_shipped():
    assert (Path(sklearn_metabp.__file__).parent / "py.typed").exists()
