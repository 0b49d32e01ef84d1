"""A fingerprint depends on what code computes, and on nothing else."""

import importlib
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import threading
from functools import partial

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, make_scorer

from sklearn_metabp import Adam, EarlyStopping
from sklearn_metabp.training import callable_fingerprint, fingerprint
from sklearn_metabp.training.user_code import release_of, returns_something

SCRIPT = """
import functools
import types
import numpy as np
from sklearn.metrics import make_scorer
from sklearn_metabp import SGD, EarlyStopping, UpdateRule

RATE, TABLE, WEIGHTS = 0.5, {"a": [1, 2]}, np.array([1.0, 2.0])

def helper(x):
    '''Help.'''
    return deeper(x) * RATE

def deeper(x):
    return helper(x - 1) if x > 3 else 7 * x

def with_table(x, places=(1, 2), *, last=5):
    return TABLE["a"][x] + WEIGHTS[x] + last

def doubled(function):
    @functools.wraps(function)
    def wrapper(*given):
        return 2 * function(*given)
    return wrapper

@doubled
def decorated(x):
    return x + 11

@functools.lru_cache
def cached(x):
    return x + 12

class Tripled:
    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function
    def __call__(self, x):
        return 3 * self.function(x)

@Tripled
def by_class(x):
    return x + 21

def adder(n):
    def add(x):
        return x + n
    return add

def nested(x):
    class Inner:
        depth = 13
    return [k + 14 for k in range(x)], (lambda z: z - 15), Inner.depth, x in {"p", "q"}

def guarded(x):
    try:
        return 1 / x
    except ZeroDivisionError:
        return 16

tools = types.ModuleType("tools")
exec("def scaled(x): return x * 17\\ndef other(x): return x * 18", vars(tools))

def through_module(x):
    return tools.scaled(x)

class Base(UpdateRule):
    share = 0.25
    def init_state(self, layout):
        return {}
    @staticmethod
    def half(x):
        return x / 19
    @property
    def rate(self):
        return 20
    def compute_update(self, step, state):
        return -self.rate * self.half(helper(step.gradients))

class Mine(Base):
    '''A rule.'''
    def __init__(self, factor=1):
        self.factor = factor

class Scorer:
    def __init__(self, low):
        self.low = low
    def __call__(self, state, params):
        return max(self.low, params.sum())
    def method(self, state, params):
        return self.low

def schedule(t, t_planned):
    return RATE / t

def metric(y, p):
    return abs(y - p).max()
"""

# What to look at, what stands there, what is put in its place.
EDITS = [
    ("helper", "* RATE", "* RATE * 2"),
    ("helper", "RATE, TABLE, WEIGHTS = 0.5", "RATE, TABLE, WEIGHTS = 0.6"),
    ("helper", "7 * x", "8 * x"),
    ("helper", "x > 3", "x >= 3"),
    ("deeper", "* RATE", "+ RATE"),
    ("lambda: helper(1)", "7 * x", "8 * x"),
    ("with_table", "[1, 2]}", "[1, 3]}"),
    ("with_table", "[1.0, 2.0]", "[1.0, 2.5]"),
    ("with_table", "places=(1, 2)", "places=(1, 3)"),
    ("with_table", "last=5", "last=6"),
    ("decorated", "x + 11", "x + 111"),
    ("decorated", "return 2 *", "return 3 *"),
    ("cached", "x + 12", "x + 112"),
    ("by_class", "3 * self", "4 * self"),
    ("by_class", "x + 21", "x + 121"),
    ("adder(1)", "x + n", "x - n"),
    ("nested", "k + 14", "k + 114"),
    ("nested", "z - 15", "z - 115"),
    ("nested", "depth = 13", "depth = 113"),
    ("nested", '{"p", "q"}', '{"p", "r"}'),
    ("guarded", "except ZeroDivisionError", "except ValueError"),
    ("through_module", "x * 17", "x * 117"),
    ("Mine()", "share = 0.25", "share = 0.5"),
    ("Mine()", "x / 19", "x / 119"),
    ("Mine()", "return 20", "return 120"),
    ("Mine()", "7 * x", "8 * x"),
    ("Mine()", "RATE, TABLE, WEIGHTS = 0.5", "RATE, TABLE, WEIGHTS = 0.6"),
    ("Mine()", "return {}", "return []"),
    ("Scorer(1)", "max(self.low", "min(self.low"),
    ("Scorer(1).method", "return self.low", "return -self.low"),
    ("SGD(schedule=schedule)", "RATE / t", "RATE / t**2"),
    ("make_scorer(metric)", ".max()", ".min()"),
    ("EarlyStopping(monitor=Scorer(1))", "max(self.low", "min(self.low"),
    ("functools.partial(metric, 1)", ".max()", ".min()"),
    ("np.vectorize(helper)", "7 * x", "8 * x"),
]


def look_at(subject, source=SCRIPT):
    names = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), names)
    return fingerprint(eval(subject, names))


@pytest.mark.parametrize(("subject", "before", "after"), EDITS)
def test_an_edit_of_the_code_changes_it(subject, before, after):
    assert SCRIPT.count(before) == 1
    assert look_at(subject) != look_at(subject, SCRIPT.replace(before, after))


SUBJECTS = sorted({subject for subject, _, _ in EDITS})
NO_EDITS = [
    ("def helper(x):", "# A comment.\n\ndef helper(x):"),
    ("'''Help.'''", "'''Helps, it is said.'''"),
    ("'''A rule.'''", "'''A rule of mine.'''"),
    ("def deeper(x):", "def deeper(x: float) -> float:"),
    ("x * 18", "x * 118"),
    ("def schedule(", "def unrelated(x):\n    return x\n\ndef schedule("),
]


@pytest.mark.parametrize(("before", "after"), NO_EDITS)
def test_an_edit_that_computes_the_same_does_not(before, after):
    assert SCRIPT.count(before) == 1
    edited = SCRIPT.replace(before, after)
    # Line numbers are constants of a class within a function, from Python 3.13 on.
    subjects = [subject for subject in SUBJECTS if subject != "nested"]
    assert [look_at(s) for s in subjects] == [look_at(s, edited) for s in subjects]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("adder(1)", "adder(2)"),
        ("Scorer(1)", "Scorer(2)"),
        ("Scorer(1).method", "Scorer(2).method"),
        ("Mine(1)", "Mine(2)"),
        ("functools.partial(metric, 1)", "functools.partial(metric, 2)"),
        ("make_scorer(metric)", "make_scorer(metric, greater_is_better=False)"),
        ("EarlyStopping(patience=3)", "EarlyStopping(patience=4)"),
        ("np.mean", "np.median"),
        ("[1, [2]]", "[[1], 2]"),
        ("['ab', 'c']", "['a', 'bc']"),
        ("1", "1.0"),
        ("{'a': 1, 'b': 2}", "{'a': 2, 'b': 1}"),
        ("slice(1, 2)", "slice(2, 1)"),
        ("np.random.RandomState(0)", "np.random.RandomState(1)"),
        ("np.random.default_rng(0)", "np.random.default_rng(1)"),
    ],
)
def test_other_values_have_another_fingerprint(one, other):
    assert look_at(one) == look_at(one)
    assert look_at(one) != look_at(other)


def test_a_fingerprint_is_the_same_in_every_process():
    program = textwrap.dedent("""
        import sys
        names = {"__name__": "__main__"}
        exec(sys.argv[1], names)
        from sklearn_metabp.training import fingerprint
        print(fingerprint([eval(subject, names) for subject in sys.argv[2:]]))
    """)
    found = [
        subprocess.run(
            [sys.executable, "-c", program, SCRIPT, *SUBJECTS, "{'a', 'b', 'c', 'd'}"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1] != ""


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_fingerprint_is_the_same_where_the_code_was_sent_by_value(subject):
    cloudpickle = pytest.importorskip("cloudpickle")
    if subject in ("through_module", "cached"):
        pytest.skip(
            "cloudpickle sends no module that was made by hand, nor the cache of a missing one"
        )
    names = {"__name__": "__main__"}
    exec(SCRIPT, names)
    value = eval(subject, names)
    assert fingerprint(pickle.loads(cloudpickle.dumps(value))) == fingerprint(value)


def test_code_that_has_run_and_objects_that_were_pickled_keep_their_fingerprint():
    names = {"__name__": __name__}
    exec(SCRIPT, names)
    subjects = [names["helper"], names["cached"], names["Scorer"](1.0), names["adder"](3)]
    before = [fingerprint(subject) for subject in subjects]
    for x in range(50):
        names["helper"](2), names["cached"](x), subjects[2](None, np.ones(3)), subjects[3](x)
    subjects[2].__reduce_ex__(2)
    assert [fingerprint(subject) for subject in subjects] == before


def test_objects_that_cannot_be_pickled_have_the_fingerprint_of_their_class():
    lock, numbers = threading.Lock(), (n for n in range(3))

    def monitor(state, params):
        return lock, numbers

    assert callable_fingerprint(monitor) == callable_fingerprint(monitor)
    held = partial(monitor, {"lock": threading.Lock(), "low": 1})
    other = partial(monitor, {"lock": threading.Lock(), "low": 2})
    assert callable_fingerprint(held) != callable_fingerprint(other)


def test_values_that_hold_themselves_end():
    one, other = [1], [2]
    for values in (one, other):
        values.append({"again": values})
    assert fingerprint(one) == fingerprint(one) != fingerprint(other)


def test_values_that_are_nested_deep_are_followed_to_the_end():
    def nested(value, depth=5000):
        for _ in range(depth):
            value = [value]
        return value

    assert fingerprint(nested(1)) == fingerprint(nested(1)) != fingerprint(nested(2))
    assert fingerprint(nested(1)) != fingerprint(nested(1, 5001))
    ring = [1]
    ring.append(nested(ring, 300))
    assert fingerprint(ring) == fingerprint(ring)


def test_a_long_chain_of_functions_is_followed_to_its_end():
    source = "def f0(x):\n    return x + 1\n"
    source += "".join(f"def f{n}(x):\n    return f{n - 1}(x)\n" for n in range(1, 2000))
    assert look_at("f1999", source) != look_at("f1999", source.replace("x + 1", "x + 2"))


@pytest.mark.parametrize("edited", ["def rate(t, n):\n    return 3 / t\n", "__version__ = '2'\n"])
def test_a_module_that_is_installed_counts_by_its_source(edited, tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    found = []
    for source in (
        "def rate(t, n):\n    return 1 / t\n",
        "def rate(t, n):\n    return 1 / t\n" + edited,
    ):
        (folder / "rates_of_mine.py").write_text(source)
        release_of.cache_clear()
        monkeypatch.delitem(sys.modules, "rates_of_mine", raising=False)
        names = {"__name__": "rates_of_mine", "__file__": str(folder / "rates_of_mine.py")}
        module = type(sys)("rates_of_mine")
        vars(module).update(names)
        exec(source, vars(module))
        monkeypatch.setitem(sys.modules, "rates_of_mine", module)
        found.append(fingerprint(Adam(schedule=module.rate)))
    assert found[0] != found[1]


def test_imports_within_functions_are_part_of_the_fingerprint(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = (
        "def f(x):\n"
        "    from rates_of_a_script import rate\n"
        "    import decimal\n"
        "    return rate(x)\n"
    )
    found = []
    for factor in (1, 2):
        (tmp_path / "rates_of_a_script.py").write_text(f"def rate(x):\n    return {factor} * x\n")
        monkeypatch.delitem(sys.modules, "rates_of_a_script", raising=False)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()
        found.append(look_at("f", source))
    assert found[0] != found[1]


def test_code_of_a_namespace_without_a_name_counts_by_its_content():
    found = []
    for number in (1, 2):
        names = {}
        exec(
            f"class Rule:\n    def f(self):\n        return {number}\n"
            f"def f():\n    return {number}",
            names,
        )
        found.append((fingerprint(names["Rule"]), fingerprint(names["f"])))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_scorers_of_a_library_have_different_fingerprints():
    scorers = [
        make_scorer(accuracy_score),
        make_scorer(f1_score),
        make_scorer(f1_score, average="macro"),
    ]
    assert len({callable_fingerprint(scorer) for scorer in scorers}) == 3


class Smoothed:
    def __init__(self, share):
        self.share, self.mean = share, None

    def __call__(self, state, params):
        return params.sum()


def test_a_fingerprint_does_not_depend_on_addresses():
    assert fingerprint(EarlyStopping(monitor=Smoothed(1))) == fingerprint(
        EarlyStopping(monitor=Smoothed(1))
    )


def test_only_what_can_be_called_is_taken_for_a_function():
    with pytest.raises(TypeError, match="needs a callable, got a int"):
        callable_fingerprint(3)


def test_functions_that_return_nothing_are_known():
    def nothing(x):
        if x:
            return
        for _ in x:
            pass

    def something(x):
        return x or None

    assert not returns_something(nothing)
    assert returns_something(something)
    assert returns_something(lambda: True)
    assert returns_something(len)
