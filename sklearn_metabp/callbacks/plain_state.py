"""A training's state as JSON and arrays, and back; what is neither is pickled, and said to be."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sklearn_metabp.training.user_code import PACKAGE

# Word lengths that arrays are stored in as they are; all others as words of 64 bits, filled up with
# zeros.
_STORED = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.int64))
_KINDS = "biufcSUmM"
_MAX_NDIM = 32

# Numbers inside a bit generator's state, and how large they may be: some are positions in its
# arrays.
_BIT_GENERATORS = {
    name: getattr(np.random, name) for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
}
_LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1, "has_gauss": 1}
_MAX_WORD = 2**128 - 1


class MisfitError(ValueError):
    """What was read is no state that this module writes."""


class StateWriter:
    """Turns a state into what JSON can hold and arrays.

    Parameters
    ----------
    pickled : callable
        Returns the bytes for an object that is no plain data.

    Attributes
    ----------
    arrays : dict of ndarray
        float64, float32 or int64, C-contiguous, of one to three axes, none of them empty.
    is_plain : bool
        Whether nothing had to be pickled so far.
    """

    def __init__(self, pickled: Callable[[Any], bytes]):
        self._pickled = pickled
        self._numbers: dict[int, int] = {}
        self._kept: list = []
        self.arrays: dict[str, np.ndarray] = {}
        self.is_plain = True

    def node(self, value) -> Any:
        """What JSON can hold of a value; its arrays are added to the others."""
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
            return {"tuple": [self.node(item) for item in value]}
        if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
            little = np.asarray(value).astype(value.dtype.newbyteorder("<"))
            return {"scalar": [little.dtype.str, little.tobytes().hex()]}
        if id(value) in self._numbers:
            return {"again": self._numbers[id(value)]}
        self._numbers[id(value)] = len(self._numbers)
        self._kept.append(value)  # nothing else gets its id
        if kind is list:
            return self._list(value)
        if kind is dict:
            return {"dict": [[self.node(key), self.node(item)] for key, item in value.items()]}
        if kind is np.ndarray and value.dtype.kind in _KINDS:
            return {"array": self._array(value)}
        if kind is np.random.RandomState or kind is np.random.Generator:
            return self._random_state(value)
        if kind.__module__.partition(".")[0] == PACKAGE and isinstance(
            held := value.__getstate__(), dict
        ):
            return {"object": _name_of(kind), "state": self.node(held)}
        return self.pickle(value)

    def _list(self, value: list) -> dict:
        if value and all(type(item) is float for item in value):
            return {"floats": self._array(np.array(value))}
        if value and all(type(item) is np.float64 for item in value):
            return {"float64s": self._array(np.array(value))}
        return {"list": [self.node(item) for item in value]}

    def _random_state(self, value) -> Any:
        is_old = type(value) is np.random.RandomState
        state = value.get_state(legacy=False) if is_old else value.bit_generator.state
        name = "RandomState" if is_old else "Generator"
        return (
            {name: self.node(state)}
            if state["bit_generator"] in _BIT_GENERATORS
            else self.pickle(value)
        )

    def pickle(self, value) -> dict:
        """A value as the bytes of its pickle."""
        self.is_plain = False
        return {"pickle": self._array(np.frombuffer(self._pickled(value), np.uint8))}

    def _array(self, array: np.ndarray) -> list:
        """Name, dtype, shape and order of an array that is put among the others; of an empty one no name."""
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
    """Makes a state again; runs no code but that of the classes it is given, and trusts no number.

    Parameters
    ----------
    array : callable
        Returns the stored array of a name; ``KeyError`` where there is none.
    classes : dict of type
        Classes of the package that objects may be of, by name.
    unpickled : callable or None
        Makes an object of bytes; None where nothing may be unpickled.

    Raises
    ------
    MisfitError
        If it is not what :class:`StateWriter` writes.
    """

    def __init__(self, array: Callable[[str], np.ndarray], classes: dict[str, type], unpickled):
        self._stored, self._classes, self._unpickled = array, classes, unpickled
        self._met: list = []

    def value(self, node) -> Any:
        """What a node stands for."""
        if node is None or isinstance(node, (bool, str, int, float)):
            return node
        if not isinstance(node, dict) or not node:
            raise MisfitError("a value is neither a word, nor a number, nor marked")
        (mark, content), *rest = node.items()
        read = getattr(self, f"_read_{mark}", None) if mark in _MARKS else None
        if read is None or (bool(rest) and mark != "object"):
            raise MisfitError(f"a value is marked {str(mark)[:40]!r}")
        return read(content, **dict(rest)) if mark == "object" else read(content)

    def _read_int(self, content) -> int:
        return int(_typed(content, str)[:10000], 16)

    def _read_float(self, content) -> float:
        if content not in ("nan", "inf", "-inf"):
            raise MisfitError("a float is none")
        return float(content)

    def _read_bytes(self, content) -> bytes:
        return bytes.fromhex(_typed(content, str))

    def _read_tuple(self, content) -> tuple:
        return tuple(self.value(item) for item in _typed(content, list))

    def _read_scalar(self, content):
        if not isinstance(content, list) or len(content) != 2:
            raise MisfitError("a number is not described")
        dtype, raw = _dtype(content[0]), bytes.fromhex(_typed(content[1], str))
        if len(raw) != dtype.itemsize:
            raise MisfitError("a number has another size than it says")
        return np.frombuffer(raw, dtype).astype(dtype.newbyteorder("="))[0]

    def _read_again(self, content):
        if (
            type(content) is not int
            or not 0 <= content < len(self._met)
            or self._met[content] is None
        ):
            raise MisfitError("a value repeats one that is not there")
        return self._met[content]

    def _note(self, value):
        self._met.append(value)
        return value

    def _read_list(self, content) -> list:
        items = self._note([])
        items.extend(self.value(item) for item in _typed(content, list))
        return items

    def _read_floats(self, content) -> list:
        return self._note(self._floats(content).tolist())

    def _read_float64s(self, content) -> list:
        return self._note(list(self._floats(content)))

    def _floats(self, content) -> np.ndarray:
        array = self._array(content)
        if array.ndim != 1 or array.dtype != np.float64:
            raise MisfitError("a list of floats is none")
        return array

    def _read_dict(self, content) -> dict:
        items = self._note({})
        for pair in _typed(content, list):
            if not isinstance(pair, list) or len(pair) != 2:
                raise MisfitError("a dictionary has something other than pairs")
            items[self.value(pair[0])] = self.value(pair[1])
        return items

    def _read_array(self, content) -> np.ndarray:
        return self._note(self._array(content))

    def _read_RandomState(self, content) -> np.random.RandomState:
        place = self._place()
        state, made = self._bit_generator(content)
        random_state = np.random.RandomState(made)
        if set(state) - {"bit_generator", "state"} - set(made.state) != {"has_gauss", "gauss"}:
            raise MisfitError("a RandomState lacks something")
        random_state.set_state({**state, "gauss": float(state["gauss"])})
        return self._put(place, random_state)

    def _read_Generator(self, content) -> np.random.Generator:
        place = self._place()
        state, made = self._bit_generator(content)
        made.state = state
        return self._put(place, np.random.Generator(made))

    def _bit_generator(self, content) -> tuple[dict, Any]:
        """A bit generator's state, and a new one that it fits."""
        state = self.value(content)
        kind = _BIT_GENERATORS.get(str(_typed(state, dict).get("bit_generator")))
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

    def _read_object(self, content, state=None):
        place = self._place()
        kind = self._classes.get(content) if isinstance(content, str) else None
        if kind is None:
            raise MisfitError(f"it holds a {str(content)[:80]!r}, and this training does not")
        made = self._put(place, object.__new__(kind))
        held = self.value(state)
        if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
            raise MisfitError(f"a {content!r} has no state")
        expected = getattr(kind, "__dataclass_fields__", held).keys()
        if held.keys() != expected:
            raise MisfitError(f"a {content!r} has other fields")
        set_state = getattr(made, "__setstate__", made.__dict__.update)
        set_state(held)
        return made

    def _read_pickle(self, content):
        if self._unpickled is None:
            raise MisfitError("it holds a pickle, which only files named .pickle may")
        place = self._place()
        return self._put(place, self._unpickled(self._array(content).tobytes()))

    def _place(self) -> int:
        self._met.append(None)
        return len(self._met) - 1

    def _put(self, place: int, value):
        self._met[place] = value
        return value

    def _array(self, content) -> np.ndarray:
        if not isinstance(content, list) or len(content) != 4 or content[3] not in ("C", "F"):
            raise MisfitError("an array is not described")
        name, dtype_name, shape, order = content
        dtype = _dtype(dtype_name)
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
        stored = self._stored(_typed(name, str))
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


def classes_in(value, found: dict[str, type] | None = None) -> dict[str, type]:
    """The package's classes that a state holds objects of, by name."""
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


def _check_numbers(state: dict, expected: dict) -> None:
    """Raise MisfitError if a bit generator could not have this state."""
    if state.keys() != expected.keys():
        raise MisfitError("a random state lacks something")
    for name, value in expected.items():
        held = state[name]
        if isinstance(value, dict):
            _check_numbers(_typed(held, dict), value)
        elif isinstance(value, np.ndarray):
            if not isinstance(held, np.ndarray) or (held.shape, held.dtype) != (
                value.shape,
                value.dtype,
            ):
                raise MisfitError("a random state has an array of another kind")
        elif isinstance(value, str):
            _typed(held, str)
        else:
            _check_number(name, held)


def _check_number(name: str, held) -> None:
    if type(held) is not int or not 0 <= held <= _LIMITS.get(name, _MAX_WORD):
        raise MisfitError("a random state has a number that is none")


def _typed(value, kind: type):
    if type(value) is not kind:
        raise MisfitError(f"a {kind.__name__} is none")
    return value


def _dtype(name) -> np.dtype:
    try:
        dtype = np.dtype(_typed(name, str))
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


def _is_size(size) -> bool:
    return type(size) is int and 0 <= size < 2**48
