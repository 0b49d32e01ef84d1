"""The examples of the README run as shown."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_quick_start_runs_as_shown(capsys):
    if not README.exists():
        pytest.skip("the tests run without the repository around them")
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[1]
    exec(compile(code, "README.md", "exec"), {})
    assert float(capsys.readouterr().out) > 0.95


def test_the_two_commands_stand_near_the_top():
    if not README.exists():
        pytest.skip("the tests run without the repository around them")
    top = README.read_text(encoding="utf-8").splitlines()[:40]
    commands = [line for line in top if line.startswith("python3 -m venv")]
    assert ["plot_imitate_backprop.py" in commands[0], "-m pytest" in commands[1]] == [True, True]
