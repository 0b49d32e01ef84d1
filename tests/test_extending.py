"""The page on extending: its changes, made in a copy of the package, give what it promises."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.kernels import compiled_only
from helpers.processes import run_python
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

import sklearn_metabp
from sklearn_metabp import SGD, BackpropMLPRegressor, LearnedUpdateRule, TraceRecorder, load_rule
from sklearn_metabp.learned import SCOPES

ROOT = Path(sklearn_metabp.__file__).parents[1]
PAGE = ROOT / "docs" / "extending.rst"
needs_sources = pytest.mark.skipif(not PAGE.exists(), reason="needs the source tree")
pytestmark = [
    needs_sources,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

RULE, KERNEL = "An update rule in NumPy", "An update rule with a kernel"
SCOPE, CALLBACK, EMBEDDING = "A scope", "A callback", "A numeric embedding"
VARIABLE, LOSS, ACTIVATION = "A trace variable", "A loss", "An activation function"

# Run on the copy: trains with every addition, and prints what the tests compare.
PROGRAM = """
import json, warnings
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale
import sklearn_metabp
from sklearn_metabp import (
    SGD, BackpropMLPRegressor, EqualWidthEmbedding, GradientNorms, LearnedUpdateRule, SignSGD,
    TraceRecorder, _kernels,
)
from sklearn_metabp.derivatives import hessian

warnings.simplefilter("ignore")
X, y = load_diabetes(return_X_y=True)
X, y = scale(X)[:100], scale(y)[:100]
setting = dict(
    batch_size=25, max_iter=5, n_iter_no_change=np.inf, random_state=0, alpha=0.0,
    init_output_bias="targets",
)

def fit(rule, *callbacks, dtype=np.float64):
    model = BackpropMLPRegressor((5,), "scaled_tanh", loss="log_cosh", update_rule=rule, **setting)
    return model.set_callbacks(*callbacks).fit(X.astype(dtype), y.astype(dtype))

norms = GradientNorms()
recorder = TraceRecorder(["params", "gradients", "updates", "gradient_norm"])
model = fit(SGD(0.1), norms, recorder)
trace = recorder.trace_
rule = LearnedUpdateRule(scope="parameter").fit(trace)
signs = TraceRecorder()
fit("signsgd", signs)
embedded, embedded_by_class = (
    BackpropMLPRegressor((5,), numeric_embedding=embedding, **setting).fit(X, y)
    for embedding in ("equal_width", EqualWidthEmbedding())
)
print(json.dumps({
    "file": sklearn_metabp.__file__,
    "compiled": _kernels.COMPILED,
    "loss_curve": model.loss_curve_,
    "params": model.params_.tolist(),
    "float32": fit(SGD(0.1), dtype=np.float32).params_.tolist(),
    "learned": fit(rule).params_.tolist(),
    "coefficients": rule.explain().coefficients,
    "norms": norms.norms_,
    "norms_of_trace": trace.gradient_norms.tolist(),
    "norms_by_hand": np.linalg.norm(trace.gradients, axis=1).tolist(),
    "sizes": np.unique(np.abs(signs.trace_.updates)).tolist(),
    "signs_turned": bool((signs.trace_.updates * signs.trace_.gradients > 0).any()),
    "curvature": bool(np.isfinite(hessian(model, X, y)).all()),
    "edges": embedded.network_.input_layer.embedding.edges[2],
    "embedded_by_name": embedded.params_.tolist() == embedded_by_class.params_.tolist(),
}))
"""


def sections():
    """Text of the page by heading."""
    text = PAGE.read_text(encoding="utf-8")
    parts = re.split(r"^(.+)\n-{4,}\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def places(section):
    """Files of the numbered list of a section, in its order."""
    return re.findall(r"^#\. ``(\S+)``", section, flags=re.M)


def blocks(section):
    """Language, file name and content of every block with a file name, in the order of the page."""
    found = re.findall(
        r"^\.\. code-block:: (\w+)\n    :caption: (\S+)\n\n((?:    .*\n|\n)+)", section, flags=re.M
    )
    return [(kind, name, re.sub(r"^    ", "", body, flags=re.M)) for kind, name, body in found]


def change(text, patch):
    """The text after a change of the page, each part of which must fit in exactly one place."""
    for hunk in patch.strip("\n").split("@@\n"):
        lines = hunk.rstrip("\n").split("\n")
        before = "\n".join(line[1:] for line in lines if line[:1] != "+")
        after = "\n".join(line[1:] for line in lines if line[:1] != "-")
        assert text.count(before) == 1, f"this stands {text.count(before)} times:\n{before}"
        text = text.replace(before, after)
    return text


def apply(section, root):
    """Make the changes of a section below a folder, and return the files that changed."""
    changed = []
    for kind, name, body in blocks(section):
        path = root / name
        if kind == "diff":
            before = path.read_text(encoding="utf-8")
            after = change(before, body)
            assert after != before
        else:
            assert not path.exists(), f"{name} is there already"
            after = body.strip("\n") + "\n"
        path.write_text(after, encoding="utf-8")
        changed.append(name)
    return changed


def copy_package(root, *skipped):
    shutil.copytree(
        ROOT / "sklearn_metabp",
        root / "sklearn_metabp",
        ignore=shutil.ignore_patterns("__pycache__", "*.c", *skipped),
    )


def run_on(root, program=PROGRAM):
    """What the program prints when it imports the package of a folder."""
    printed = run_python(f"import sys; sys.path.insert(0, {str(root)!r})\n{program}", timeout=300)
    return json.loads(printed)


def check(found, root, compiled):
    assert found["file"].startswith(str(root))
    assert found["compiled"] is compiled
    assert found["loss_curve"][-1] < found["loss_curve"][0]
    np.testing.assert_allclose(found["float32"], found["params"], atol=1e-4)
    np.testing.assert_allclose(found["learned"], found["params"], atol=2e-3)
    assert found["coefficients"] == pytest.approx({"gradient": -0.1, "value": 0.0}, abs=1e-3)
    assert found["norms"] == pytest.approx(found["norms_by_hand"], rel=1e-12)
    assert found["norms_of_trace"] == found["norms"]
    assert found["sizes"] == [0.001]
    assert not found["signs_turned"]
    assert found["curvature"]
    assert found["embedded_by_name"]
    column = scale(load_diabetes().data)[:100, 2]
    np.testing.assert_allclose(found["edges"], np.linspace(column.min(), column.max(), 17))


@pytest.fixture
def copy_on_numpy(tmp_path):
    """A copy of the package with all additions and no compiled kernel, and the files changed."""
    copy_package(tmp_path, "*.so", "*.pyd")
    return tmp_path, {heading: apply(text, tmp_path) for heading, text in sections().items()}


def test_the_files_that_change_are_the_places_of_the_page(copy_on_numpy):
    _, changed = copy_on_numpy
    listed = {heading: places(text) for heading, text in sections().items()}
    assert list(listed) == [
        RULE,
        KERNEL,
        SCOPE,
        CALLBACK,
        EMBEDDING,
        VARIABLE,
        LOSS,
        ACTIVATION,
    ]
    assert set(changed[RULE]) | set(changed[KERNEL]) == set(listed[KERNEL])
    for heading in listed.keys() - {KERNEL}:
        assert changed[heading] == listed[heading], heading
    assert len(listed[KERNEL]) <= 5
    assert all(name.startswith("sklearn_metabp/") for names in listed.values() for name in names)


def test_files_that_the_page_names_exist(copy_on_numpy):
    root, _ = copy_on_numpy
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:sklearn_metabp|tests|docs|benchmarks)/[\w/.]+\w", text))
    assert len(named) > 40
    assert [name for name in named if not ((ROOT / name).exists() or (root / name).exists())] == []


def test_additions_train_on_the_fallbacks(copy_on_numpy):
    root, _ = copy_on_numpy
    check(run_on(root), root, compiled=False)


@pytest.mark.slow
@compiled_only
@pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="no C compiler here")
def test_additions_train_compiled_as_on_the_fallbacks(copy_on_numpy, tmp_path_factory):
    # Looked for and not imported: setuptools refuses a process that has imported distutils.
    missing = [name for name in ("Cython", "setuptools") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    root = tmp_path_factory.mktemp("compiled")
    copy_package(root)  # with the compiled modules: only those of changed files are built again
    for text in sections().values():
        apply(text, root)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, root)
    for name in ("tests/_kernels", "tests/helpers"):
        shutil.copytree(ROOT / name, root / name)
    build = [sys.executable, "setup.py", "build_ext", "--inplace", "-q"]
    subprocess.run(build, cwd=root, check=True, capture_output=True, timeout=600)
    compiled, fallback = run_on(root), run_on(copy_on_numpy[0])
    check(compiled, root, compiled=True)
    for name in ("loss_curve", "params"):
        np.testing.assert_allclose(compiled[name], fallback[name], rtol=1e-9, atol=1e-9)
    # The tables of the copy, the enums of its headers and its docstrings agree.
    tests = [f"tests/_kernels/test_{name}.py" for name in ("functions", "tables", "rule_steps")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not page"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [*command, *tests], cwd=root, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


# For your own use: the same classes without a change of the package.


def own_class(heading):
    """The class of a section, in a namespace of its own."""
    ((_, name, body),) = [block for block in blocks(sections()[heading]) if block[0] == "python"]
    namespace = {"__name__": "own_module"}
    exec(compile(body, name, "exec"), namespace)
    (kind,) = [v for v in namespace.values() if getattr(v, "__module__", "") == "own_module"]
    return kind


def fit(rule, *callbacks):
    X, y = load_diabetes(return_X_y=True)
    model = BackpropMLPRegressor((5,), "tanh", update_rule=rule, max_iter=5, random_state=0)
    model.set_params(alpha=0.0, n_iter_no_change=np.inf)
    return model.set_callbacks(*callbacks).fit(scale(X), scale(y))


def test_an_own_rule_trains():
    recorder = TraceRecorder()
    fit(own_class(RULE)(0.01), recorder)
    trace = recorder.trace_
    np.testing.assert_array_equal(trace.updates, -0.01 * np.sign(trace.gradients))


def test_an_own_callback_receives_steps():
    norms, recorder = own_class(CALLBACK)(), TraceRecorder()
    fit(SGD(0.1), norms, recorder)
    np.testing.assert_allclose(norms.norms_, np.linalg.norm(recorder.trace_.gradients, axis=1))


def test_an_own_embedding_has_bins_of_equal_width():
    X, y = load_diabetes(return_X_y=True)
    embedding = own_class(EMBEDDING)(n_bins=4)
    model = BackpropMLPRegressor((5,), numeric_embedding=embedding, max_iter=3, random_state=0)
    edges = model.fit(X, scale(y)).network_.input_layer.embedding.edges
    np.testing.assert_allclose(np.transpose(edges), np.linspace(X.min(axis=0), X.max(axis=0), 5))


def test_an_own_scope_learns_and_is_saved(tmp_path, monkeypatch):
    monkeypatch.setitem(SCOPES, "parameter", own_class(SCOPE))
    recorder = TraceRecorder()
    teacher = fit(SGD(0.1), recorder)
    rule = LearnedUpdateRule(scope="parameter").fit(recorder.trace_)
    rule.save(tmp_path / "rule")
    for one in (rule, load_rule(tmp_path / "rule")):
        np.testing.assert_allclose(fit(one).params_, teacher.params_, atol=2e-3)


def test_a_change_must_fit_in_one_place():
    assert change("a\nb\nc\n", " a\n+x\n@@\n-c\n+d\n") == "a\nx\nb\nd\n"
    for text in ("b\n", "a\na\n"):
        with pytest.raises(AssertionError, match="times"):
            change(text, " a\n+x\n")
