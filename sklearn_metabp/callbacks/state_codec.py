"""The state of a training as JSON and arrays, and back; other objects are pickled and marked so."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.training.user_code import PACKAGE

# Arrays of these dtypes are stored as they are; all others as words of 64 bits, padded with zeros.
_STORED = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.int64))
_KINDS = "biufcSUmM"
_MAX_NDIM = 32

_BIT_GENERATORS = {
    name: getattr(np.random, name) for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
}
# The largest values of numbers inside a bit generator's state; some are positions in its arrays.
_LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1, "has_gauss": 1}
_MAX_WORD = 2**128 - 1


class MisfitError(ValueError):
    """A file does not hold a state that this module writes."""


class StateWriter:
    """An encoder of states as JSON and arrays.

    Parameters
    ----------
    pickle : callable
        Returns the bytes for an object that is no plain data.

    Attributes
    ----------
    arrays : dict of ndarray
        float64, float32 or int64, C-contiguous, of one to three axes, none of them empty.
    is_plain : bool
        Whether nothing had to be pickled so far.
    """

    def __init__(self, pickle: Callable[[Any], bytes]) -> None:
        self._pickle = pickle
        self._positions: dict[int, int] = {}  # of encoded objects, by id
        self._encoded: list[Any] = []  # keeps them alive, so that no other object gets an id
        self.arrays: dict[str, np.ndarray] = {}
        self.is_plain = True

    def encode(self, value: Any) -> Any:
        """Return a value in a form that JSON can hold; add its arrays to the others."""
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**63 else {"int": hex(value)}
        if kind is float:
            return value if np.isfinite(value) else {"float": repr(value)}
        if kind is bytes:
            return {"bytes": value.hex()}
        if kind is tuple:
            return {"tuple": [self.encode(item) for item in value]}
        if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
            little = np.asarray(value).astype(value.dtype.newbyteorder("<"))
            return {"scalar": [little.dtype.str, little.tobytes().hex()]}
        if id(value) in self._positions:
            return {"again": self._positions[id(value)]}
        self._positions[id(value)] = len(self._positions)
        self._encoded.append(value)
        if kind is list:
            return self._list(value)
        if kind is dict:
            return {"dict": [[self.encode(key), self.encode(item)] for key, item in value.items()]}
        if kind is np.ndarray and value.dtype.kind in _KINDS:
            return {"array": self._array(value)}
        if kind is np.random.RandomState or kind is np.random.Generator:
            return self._random_state(value)
        if kind.__module__.partition(".")[0] == PACKAGE and isinstance(
            held := value.__getstate__(), dict
        ):
            return {"object": _name_of(kind), "state": self.encode(held)}
        return self.pickle(value)

    def _list(self, value: list[Any]) -> dict[str, Any]:
        if value and all(type(item) is float for item in value):
            return {"floats": self._array(np.array(value))}
        if value and all(type(item) is np.float64 for item in value):
            return {"float64s": self._array(np.array(value))}
        return {"list": [self.encode(item) for item in value]}

    def _random_state(self, value: Any) -> Any:
        is_old = type(value) is np.random.RandomState
        state = value.get_state(legacy=False) if is_old else value.bit_generator.state
        name = "RandomState" if is_old else "Generator"
        return (
            {name: self.encode(state)}
            if state["bit_generator"] in _BIT_GENERATORS
            else self.pickle(value)
        )

    def pickle(self, value: Any) -> dict[str, Any]:
        """Encode a value as the bytes of its pickle."""
        self.is_plain = False
        return {"pickle": self._array(np.frombuffer(self._pickle(value), np.uint8))}

    def _array(self, array: np.ndarray) -> list[Any]:
        """Store an array; return its name (None if it is empty), dtype, shape and order."""
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        stored = np.ascontiguousarray(array.T if order == "F" else array)
        stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        shape, dtype = list(array.shape), stored.dtype.newbyteorder("<").str
        if not stored.nbytes:
            return [None, dtype, shape, order]
        if stored.dtype not in _STORED or not 1 <= array.ndim <= 3:
            padded = np.zeros(-(-stored.nbytes // 8), np.int64)
            raw = stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
            padded.view(np.uint8)[: len(raw)] = np.frombuffer(raw, np.uint8)
            stored = padded
        name = f"{len(self.arrays):04d}"
        self.arrays[name] = stored
        return [name, dtype, shape, order]


class StateReader:
    """A decoder of states, which runs only the code of the given classes and checks every number.

    Parameters
    ----------
    array : callable
        Returns the stored array of a name, or raises ``KeyError``.
    classes : dict of type
        The classes of the package that objects may have, by name.
    unpickle : callable or None
        Makes an object from the bytes of its pickle; None if nothing may be unpickled.

    Raises
    ------
    MisfitError
        If :class:`StateWriter` cannot have written it.
    """

    def __init__(
        self,
        array: Callable[[str], np.ndarray],
        classes: dict[str, type],
        unpickle: Callable[[bytes], Any] | None,
    ) -> None:
        self._stored, self._classes, self._unpickle = array, classes, unpickle
        self._decoded: list[Any] = []  # objects that may be referred to again

    def decode(self, node: Any) -> Any:
        """Return the value that a node stands for."""
        if node is None or isinstance(node, (bool, str, int, float)):
            return node
        if not isinstance(node, dict) or not node:
            raise MisfitError("a value is neither a word, nor a number, nor marked")
        (mark, content), *rest = node.items()
        read = getattr(self, f"_read_{mark}", None) if mark in _MARKS else None
        if read is None or (bool(rest) and mark != "object"):
            raise MisfitError(f"a value is marked {str(mark)[:40]!r}")
        return read(content, **dict(rest)) if mark == "object" else read(content)

    def _read_int(self, content: Any) -> int:
        return int(_require(content, str)[:10000], 16)

    def _read_float(self, content: Any) -> float:
        if content not in ("nan", "inf", "-inf"):
            raise MisfitError("a float is none")
        return float(content)

    def _read_bytes(self, content: Any) -> bytes:
        return bytes.fromhex(_require(content, str))

    def _read_tuple(self, content: Any) -> tuple:
        return tuple(self.decode(item) for item in _require(content, list))

    def _read_scalar(self, content: Any) -> Any:
        if not isinstance(content, list) or len(content) != 2:
            raise MisfitError("a number is not described")
        dtype, raw = _parse_dtype(content[0]), bytes.fromhex(_require(content[1], str))
        if len(raw) != dtype.itemsize:
            raise MisfitError("a number has another size than it says")
        return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))[0]

    def _read_again(self, content: Any) -> Any:
        if (
            type(content) is not int
            or not 0 <= content < len(self._decoded)
            or self._decoded[content] is None
        ):
            raise MisfitError("a value repeats one that is not there")
        return self._decoded[content]

    def _register(self, value: Any) -> Any:
        self._decoded.append(value)
        return value

    def _read_list(self, content: Any) -> list[Any]:
        items = self._register([])
        items.extend(self.decode(item) for item in _require(content, list))
        return items

    def _read_floats(self, content: Any) -> list:
        return self._register(self._floats(content).tolist())

    def _read_float64s(self, content: Any) -> list:
        return self._register(list(self._floats(content)))

    def _floats(self, content: Any) -> np.ndarray:
        array = self._array(content)
        if array.ndim != 1 or array.dtype != np.float64:
            raise MisfitError("a list of floats is none")
        return array

    def _read_dict(self, content: Any) -> dict:
        items = self._register({})
        for pair in _require(content, list):
            if not isinstance(pair, list) or len(pair) != 2:
                raise MisfitError("a dictionary has something other than pairs")
            items[self.decode(pair[0])] = self.decode(pair[1])
        return items

    def _read_array(self, content: Any) -> np.ndarray:
        return self._register(self._array(content))

    def _read_RandomState(self, content: Any) -> np.random.RandomState:
        position = self._reserve()
        state, made = self._bit_generator(content)
        random_state = np.random.RandomState(made)
        if set(state) - {"bit_generator", "state"} - set(made.state) != {"has_gauss", "gauss"}:
            raise MisfitError("a RandomState lacks something")
        random_state.set_state({**state, "gauss": float(state["gauss"])})
        return self._fill(position, random_state)

    def _read_Generator(self, content: Any) -> np.random.Generator:
        position = self._reserve()
        state, made = self._bit_generator(content)
        made.state = state
        return self._fill(position, np.random.Generator(made))

    def _bit_generator(self, content: Any) -> tuple[dict[str, Any], Any]:
        """Return the state of a bit generator, and a new generator of that kind."""
        state = self.decode(content)
        kind = _BIT_GENERATORS.get(str(_require(state, dict).get("bit_generator")))
        if kind is None:
            raise MisfitError("a bit generator is none of NumPy's")
        made = kind(0)
        expected = made.state
        _check_numbers({name: value for name, value in state.items() if name in expected}, expected)
        for name in state.keys() - expected.keys() - {"gauss"}:
            _check_number(name, state[name])
        if not isinstance(state.get("gauss", 0.0), (int, float)):
            raise MisfitError("a random state has a number that is none")
        return state, made

    def _read_object(self, content: Any, state: Any = None) -> Any:
        position = self._reserve()
        kind = self._classes.get(content) if isinstance(content, str) else None
        if kind is None:
            raise MisfitError(f"it holds a {str(content)[:80]!r}, and this training does not")
        made = self._fill(position, object.__new__(kind))
        held = self.decode(state)
        if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
            raise MisfitError(f"a {content!r} has no state")
        expected = getattr(kind, "__dataclass_fields__", held).keys()
        if held.keys() != expected:
            raise MisfitError(f"a {content!r} has other fields")
        set_state = getattr(made, "__setstate__", made.__dict__.update)
        set_state(held)
        return made

    def _read_pickle(self, content: Any) -> Any:
        if self._unpickle is None:
            raise MisfitError("it holds a pickle, which only files named .pickle may")
        position = self._reserve()
        return self._fill(position, self._unpickle(self._array(content).tobytes()))

    def _reserve(self) -> int:
        """Reserve the position of an object that may refer to itself."""
        self._decoded.append(None)
        return len(self._decoded) - 1

    def _fill(self, position: int, value: Any) -> Any:
        self._decoded[position] = value
        return value

    def _array(self, content: Any) -> np.ndarray:
        if not isinstance(content, list) or len(content) != 4 or content[3] not in ("C", "F"):
            raise MisfitError("an array is not described")
        name, dtype_name, shape, order = content
        dtype = _parse_dtype(dtype_name)
        if (
            not isinstance(shape, list)
            or len(shape) > _MAX_NDIM
            or not all(_is_size(size) for size in shape)
        ):
            raise MisfitError("an array has a shape that is none")
        n_bytes = dtype.itemsize
        for size in shape:
            n_bytes *= size
        along = shape[::-1] if order == "F" else shape
        if name is None:
            if n_bytes:
                raise MisfitError("an array is missing")
            return np.empty(shape, dtype, order=order)
        stored = self._stored(_require(name, str))
        if stored.dtype == dtype and stored.shape == tuple(along):
            array = np.array(stored)
        elif (
            stored.dtype == np.int64
            and stored.ndim == 1
            and stored.nbytes == -(-n_bytes // 8) * 8
            and n_bytes
        ):
            raw = np.array(stored, dtype="<i8").view(np.uint8)[:n_bytes]
            array = np.frombuffer(bytearray(raw.tobytes()), dtype).reshape(along)
        else:
            raise MisfitError("an array has another size than it says")
        array = array.astype(dtype.newbyteorder("="), copy=False)
        return array.T if order == "F" else array


_MARKS = {name.removeprefix("_read_") for name in vars(StateReader) if name.startswith("_read_")}


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def classes_in(value: Any, found: dict[str, type] | None = None) -> dict[str, type]:
    """Find the classes of the package whose objects a state holds, by name."""
    found = {} if found is None else found
    kind = type(value)
    if kind in (list, tuple):
        for item in value:
            classes_in(item, found)
    elif kind is dict:
        for item in value.values():
            classes_in(item, found)
    elif kind.__module__.partition(".")[0] == PACKAGE and _name_of(kind) not in found:
        found[_name_of(kind)] = kind
        classes_in(value.__getstate__(), found)
    return found


def _check_numbers(state: dict[str, Any], expected: dict[str, Any]) -> None:
    """Raise MisfitError unless a bit generator can have this state."""
    if state.keys() != expected.keys():
        raise MisfitError("a random state lacks something")
    for name, value in expected.items():
        held = state[name]
        if isinstance(value, dict):
            _check_numbers(_require(held, dict), value)
        elif isinstance(value, np.ndarray):
            if not isinstance(held, np.ndarray) or (held.shape, held.dtype) != (
                value.shape,
                value.dtype,
            ):
                raise MisfitError("a random state has an array of another kind")
        elif isinstance(value, str):
            _require(held, str)
        else:
            _check_number(name, held)


def _check_number(name: str, held: Any) -> None:
    if type(held) is not int or not 0 <= held <= _LIMITS.get(name, _MAX_WORD):
        raise MisfitError("a random state has a number that is none")


def _require(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise MisfitError(f"a {kind.__name__} is none")
    return value


def _parse_dtype(name: Any) -> np.dtype:
    try:
        dtype = np.dtype(_require(name, str))
    except (TypeError, ValueError, SyntaxError) as error:
        raise MisfitError("an array has a dtype that is none") from error
    if (
        dtype.kind not in _KINDS
        or not dtype.itemsize
        or dtype.names is not None
        or dtype.str != name
    ):
        raise MisfitError("an array has a dtype that is none")
    return dtype


def _is_size(size: Any) -> bool:
    return type(size) is int and 0 <= size < 2**48
