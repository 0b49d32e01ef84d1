"""Files of learned rules: the arrays of one MLP, and in JSON the facts of its scope."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_metabp.learned.explain import InputRanges
from sklearn_metabp.learned.mlp import ELEMENTWISE_OUTPUTS, MLPArrays, are_layer_sizes
from sklearn_metabp.learned.scopes import Scope
from sklearn_metabp.network import HIDDEN_ACTIVATIONS, ParameterLayout
from sklearn_metabp.tracing.file_writer import write_file
from sklearn_metabp.tracing.files import CheckedFile, open_file

KIND = "sklearn_metabp rule 1"
_KEYS = {"scope", "inputs", "layer_sizes", "hidden", "output", "learner_dtype", "facts"}


class RuleFileError(ValueError):
    """An error about a file that is damaged or no rule file; the message names file and fault."""


def save_scope(path: str | os.PathLike[str], scope: Scope) -> None:
    """Write a fitted scope as one file, completely or not at all.

    Raises
    ------
    ValueError
        If its learner is not one MLP.
    OSError
        If the file cannot be written.
    """
    mlp = scope.mlp
    if mlp is None:
        raise ValueError(
            f"a rule file holds the arrays of one MLP, and the learner of this rule is "
            f"{scope.learner!r}: pickle the rule with joblib.dump, or use skops, or fit it with "
            f"an MLP as learner."
        )
    header = {
        "scope": scope.name,
        "inputs": list(scope.inputs),
        "layer_sizes": list(mlp.layout.layer_sizes),
        "hidden": mlp.hidden,
        "output": mlp.output,
        "learner_dtype": scope.learner_dtype,
        "facts": {fact.file_key: _as_json(getattr(scope, fact.name)) for fact in scope.facts},
    }
    ranges = scope.ranges
    arrays = {
        "params": mlp.params,
        "input_ranges": np.stack([ranges.low, ranges.typical, ranges.high]).astype(np.float64),
    }
    if mlp.centre is not None:
        arrays["centre"] = mlp.centre
    write_file(Path(os.path.abspath(path)), KIND, header, arrays)


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def read_scope(path: str | os.PathLike[str], scopes: Mapping[str, type[Scope]]) -> Scope:
    """Read the file of a rule, and return the fitted scope.

    Raises
    ------
    RuleFileError
        If the file is no rule file, or damaged.
    """
    path = Path(os.path.abspath(path))
    _check_is_ours(path)
    file = open_file(path, KIND, RuleFileError)
    try:
        return _checked(file, scopes)
    except (ValueError, TypeError) as error:
        if isinstance(error, RuleFileError):
            raise
        raise file.fault(str(error).rstrip(".")) from error


# First bytes of other files that people pass; a rule file has eight bytes and then a JSON object.
_OTHER_FILES = {
    b"\x80": "a pickle: load it with pickle.load or joblib.load, if you trust where it comes from",
    b"x": "a compressed pickle: load it with joblib.load, if you trust where it comes from",
    b"\x1f\x8b": "a gzip file: if it is a pickle that you trust, load it with joblib.load",
    b"BZh": "a bzip2 file: if it is a pickle that you trust, load it with joblib.load",
    b"\xfd7zXZ": "an xz file: if it is a pickle that you trust, load it with joblib.load",
    b"PK": "a ZIP archive, as skops and numpy.savez write: load it with skops.io.load",
    b"\x93NUMPY": "an array: load it with numpy.load",
}


def _check_is_ours(path: Path) -> None:
    """Raise RuleFileError for a file without the beginning of a rule file.

    A file that cannot be read passes: opening it has an error of its own.
    """
    if not path.is_file():  # a pipe would block
        return
    try:
        with open(path, "rb") as stream:
            start = stream.read(9)
    except OSError:
        return
    if len(start) < 9 or start[8:] == b"{":
        return
    kinds = (what for magic, what in _OTHER_FILES.items() if start.startswith(magic))
    what = next(kinds, "another file: load_rule reads files of LearnedUpdateRule.save")
    raise RuleFileError(f"{path} is no rule file but {what}.")


def _checked(file: CheckedFile, scopes: Mapping[str, type[Scope]]) -> Scope:
    """Check the content of a file, and return its scope."""
    header = file.header
    if set(header) != _KEYS:
        raise ValueError(f"its header has {sorted(header)[:20]} and not {sorted(_KEYS)}")
    name, inputs, values = header["scope"], header["inputs"], header["facts"]
    if not isinstance(name, str) or name not in scopes:
        raise ValueError(f"its scope is none of {sorted(scopes)}")
    if not isinstance(inputs, list) or not all(isinstance(one, str) for one in inputs):
        raise ValueError("its inputs are not names")
    facts = {fact.file_key: fact for fact in scopes[name].facts}
    if not isinstance(values, dict) or set(values) != set(facts):
        raise ValueError(f"its facts are not {sorted(facts)}")
    for key, fact in facts.items():
        if not fact.is_possible(values[key]):
            raise ValueError(f"its {key} is not possible")
    mlp, ranges = _checked_arrays(file)
    scope = scopes[name](inputs)
    for key, fact in facts.items():
        value = values[key]
        setattr(scope, fact.name, tuple(value) if isinstance(value, list) else value)
    scope.check_ends(mlp.layout.layer_sizes[0], mlp.layout.layer_sizes[-1])
    scope.take_mlp(mlp, ranges, header["learner_dtype"])
    return scope


def _checked_arrays(file: CheckedFile) -> tuple[MLPArrays, InputRanges]:
    """Check the MLP and the ranges of its inputs that a file holds."""
    header = file.header
    if not are_layer_sizes(header["layer_sizes"]):
        raise ValueError("its layer_sizes are not those of an MLP")
    for name, allowed in (
        ("hidden", HIDDEN_ACTIVATIONS),
        ("output", ELEMENTWISE_OUTPUTS),
        ("learner_dtype", ("float32", "float64")),
    ):
        if header[name] not in allowed:
            raise ValueError(f"its {name} is none of {list(allowed)}")
    layout = ParameterLayout(tuple(header["layer_sizes"]))
    wanted = {"params": (layout.n_params,), "input_ranges": (3, layout.layer_sizes[0])}
    if "centre" in file.specs:  # where the learner was behind transformers
        wanted["centre"] = (layout.layer_sizes[0],)
    found = {name: spec.shape for name, spec in file.specs.items()}
    if found != wanted or any(spec.dtype != np.dtype("<f8") for spec in file.specs.values()):
        raise ValueError(f"its arrays are {found}, and its layers have {wanted}, of float64")
    arrays = {name: file.array(name).astype(np.float64) for name in wanted}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("a number in its arrays is not finite")
    mlp = MLPArrays(
        layout, arrays["params"], header["hidden"], header["output"], arrays.get("centre")
    )
    return mlp, InputRanges(*arrays["input_ranges"])
