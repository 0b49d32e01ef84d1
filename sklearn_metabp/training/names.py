"""Names of what a training was judged by, the same in every process."""

import re

import joblib

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def judge_name(judge) -> str:
    """What a scorer, a monitor or a word is called; functions of one name are told apart by their code.

    A training remembers names and not the objects: what it remembers has to pickle, and to mean the same in
    the process that resumes it.
    """
    code = getattr(judge, "__code__", None)
    if code is None:
        return getattr(judge, "__qualname__", None) or _ADDRESS.sub("", repr(judge))
    constants = [repr(value) for value in code.co_consts if not hasattr(value, "co_code")]
    written = joblib.hash((code.co_code, code.co_names, constants))
    return f"{judge.__module__}.{judge.__qualname__} {written}"
