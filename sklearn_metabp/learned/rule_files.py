"""Files of learned rules: the arrays of one MLP, and in JSON what its scope knows besides."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_metabp._kernels.scopes import LINK_NORMALIZERS
from sklearn_metabp.estimators import BackpropMLPRegressor
from sklearn_metabp.learned.compiled import ELEMENTWISE_OUTPUTS, MLPArrays
from sklearn_metabp.learned.explain import InputRanges
from sklearn_metabp.learned.model import ScopeModel
from sklearn_metabp.learned.network_scope import n_columns
from sklearn_metabp.network import HIDDEN_ACTIVATIONS, Network, ParameterLayout
from sklearn_metabp.tracing.file_writer import write_file
from sklearn_metabp.tracing.files import CheckedFile, open_file

KIND = "sklearn_metabp rule 1"
_KEYS = {"scope", "inputs", "layer_sizes", "hidden", "output", "learner_dtype", "facts"}


class RuleFileError(ValueError):
    """A file is no rule file, or a damaged one; the message names it and says what is wrong."""


def _is_scale(value) -> bool:
    return type(value) is float and math.isfinite(value) and value > 0


def _is_step(value) -> bool:
    return type(value) is float and math.isfinite(value) and value >= 0


def _is_rate(value) -> bool:
    return value is None or (type(value) is float and math.isfinite(value))


def _are_sizes(value) -> bool:
    is_list = isinstance(value, list) and 2 <= len(value) <= 10_000
    return is_list and all(type(size) is int and 0 < size < 2**31 for size in value)


# What a scope's model has learned besides its learner: attribute, and whether a value of it is
# possible.
_FACTS: dict[str, dict[str, Callable[[Any], bool]]] = {
    "link": {
        "unit": lambda value: isinstance(value, str) and value in LINK_NORMALIZERS,
        "scale": _is_scale,
        "first_step": _is_step,
    },
    "neuron": {"scale": _is_scale, "learning_rate": _is_rate},
    "network": {"layer_sizes": lambda value: value is None or _are_sizes(value)},
}


def save_model(path, scope: str, model: ScopeModel) -> None:
    """Write a fitted model as one file: all of it, or nothing.

    Raises
    ------
    ValueError
        If its learner is not one MLP.
    OSError
        If the file cannot be written.
    """
    mlp: MLPArrays | None = getattr(model, "_mlp", None)
    if mlp is None or scope not in _FACTS:
        raise ValueError(
            f"a rule is saved as the arrays of one MLP, and the learner of this one, {model.learner!r}, is "
            f"none: pickle the rule with joblib.dump, or use skops, or fit it with an MLP as learner."
        )
    is_ours = isinstance(model.learner, BackpropMLPRegressor)
    header = {
        "scope": scope,
        "inputs": list(model.inputs),
        "layer_sizes": list(mlp.layout.layer_sizes),
        "hidden": mlp.hidden,
        "output": mlp.output,
        "learner_dtype": model.learner.layout_.dtype.name if is_ours else "float64",
        "facts": {name: _plain(getattr(model, name)) for name in _FACTS[scope]},
    }
    ranges: InputRanges = model._ranges  # type: ignore[attr-defined]
    arrays = {
        "params": mlp.params,
        "input_ranges": np.stack([ranges.low, ranges.typical, ranges.high]).astype(np.float64),
    }
    if mlp.centre is not None:
        arrays["centre"] = mlp.centre
    write_file(Path(os.path.abspath(path)), KIND, header, arrays)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def read_model(path, models: Mapping[str, Callable[[Any], ScopeModel]]) -> tuple[str, ScopeModel]:
    """Read the file of a rule: its scope, and the fitted model of it.

    Raises
    ------
    RuleFileError
        If it is no such file, or a damaged one.
    """
    path = Path(os.path.abspath(path))
    _check_is_ours(path)
    file = open_file(path, KIND, RuleFileError)
    try:
        scope, model, mlp, dtype = _checked(file, models)
    except (ValueError, TypeError) as error:
        if isinstance(error, RuleFileError):
            raise
        raise file.fault(str(error).rstrip(".")) from error
    model.learner = _learner(mlp, dtype)
    model._mlp, model.is_compiled = mlp, True  # type: ignore[attr-defined]
    return scope, model


# How files begin that people have instead; a rule file has eight bytes and then a JSON object.
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
    """Raise RuleFileError for a file that begins as no rule file does; what cannot be read is for others."""
    if not path.is_file():  # a pipe would wait for a writer
        return
    try:
        with open(path, "rb") as stream:
            start = stream.read(9)
    except OSError:
        return
    if len(start) < 9 or start[8:] == b"{":
        return
    kinds = (what for magic, what in _OTHER_FILES.items() if start.startswith(magic))
    what = next(kinds, "another file: load_rule reads what LearnedUpdateRule.save wrote")
    raise RuleFileError(f"{path} is no rule file but {what}.")


def _checked(file: CheckedFile, models) -> tuple[str, ScopeModel, MLPArrays, np.dtype]:
    header = file.header
    if set(header) != _KEYS:
        raise ValueError(f"its header has {sorted(header)[:20]} and not {sorted(_KEYS)}")
    scope, inputs, facts = header["scope"], header["inputs"], header["facts"]
    if not isinstance(scope, str) or scope not in _FACTS or scope not in models:
        raise ValueError(f"its scope is none of {sorted(_FACTS)}")
    if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs):
        raise ValueError("its inputs are not names")
    if not isinstance(facts, dict) or set(facts) != set(_FACTS[scope]):
        raise ValueError(f"its facts are not {sorted(_FACTS[scope])}")
    for name, is_possible in _FACTS[scope].items():
        if not is_possible(facts[name]):
            raise ValueError(f"its {name} is not possible")
    mlp, ranges, dtype = _checked_arrays(file)
    model = models[scope](inputs)
    model._ranges = ranges
    for name, value in facts.items():
        setattr(model, name, tuple(value) if isinstance(value, list) else value)
    _check_ends(scope, model, mlp.layout.layer_sizes[0], mlp.layout.layer_sizes[-1])
    return scope, model, mlp, dtype


def _check_ends(scope: str, model, n_inputs: int, n_outputs: int) -> None:
    """Compare the ends of the MLP with what the scope gives it and takes from it."""
    if scope == "network":
        layer_sizes = model.layer_sizes
        if layer_sizes is not None and ParameterLayout(layer_sizes).n_params != n_outputs:
            raise ValueError(
                f"its learner has {n_outputs} outputs, which are not the updates of {layer_sizes}"
            )
        if (
            layer_sizes is not None
            and n_columns(ParameterLayout(layer_sizes), model.inputs) != n_inputs
        ):
            raise ValueError(
                f"its learner has {n_inputs} inputs, which are not {list(model.inputs)} of {layer_sizes}"
            )
        model._n_columns, model._n_params, model._flat = n_inputs, n_outputs, n_outputs == 1
        return
    if (n_inputs, n_outputs) != (len(model.inputs), 1):
        raise ValueError(
            f"its learner has {n_inputs} inputs and {n_outputs} outputs, not {len(model.inputs)} and 1"
        )
    if scope == "link" and model.unit == "stride" and "last_step" not in model.inputs:
        raise ValueError("its unit is the stride, which goes with the input last_step")


def _checked_arrays(file: CheckedFile) -> tuple[MLPArrays, InputRanges, np.dtype]:
    header = file.header
    if not _are_sizes(header["layer_sizes"]):
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
    if "centre" in file.specs:  # of a learner behind transformers
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
    return mlp, InputRanges(*arrays["input_ranges"]), np.dtype(header["learner_dtype"])


def _learner(mlp: MLPArrays, dtype: np.dtype) -> BackpropMLPRegressor | Pipeline:
    """The fitted regressor that the arrays are, behind a scaler that subtracts the centre if there is one."""
    if mlp.centre is not None:
        scaler = StandardScaler(with_std=False)
        scaler.mean_, scaler.var_, scaler.scale_ = mlp.centre, None, None
        scaler.n_features_in_, scaler.n_samples_seen_ = len(mlp.centre), 1
        return make_pipeline(scaler, _learner(replace(mlp, centre=None), dtype))
    sizes = mlp.layout.layer_sizes
    layout = ParameterLayout(sizes, dtype)
    learner = BackpropMLPRegressor(sizes[1:-1], mlp.hidden, out_activation=mlp.output, alpha=0.0)
    learner.layout_ = layout
    learner.params_ = mlp.params
    hidden = (mlp.hidden,) * (len(sizes) - 2)
    learner.network_ = Network(layout, hidden, mlp.output, learner.loss, learner.alpha)
    learner.out_activation_ = mlp.output
    learner.n_features_in_, learner.n_outputs_, learner.n_layers_ = sizes[0], sizes[-1], len(sizes)
    return learner
