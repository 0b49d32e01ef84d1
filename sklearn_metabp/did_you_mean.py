"""Suggestions for unknown names, of parameters and of their values."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary

from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import (
    InvalidParameterError,
    StrOptions,
    make_constraint,
)

from sklearn_metabp._kernels.functions import ACTIVATIONS, LOSSES

T = TypeVar("T")

# Names in scikit-learn, PyTorch, Keras or the literature, and this package's names for the same.
NAMES_ELSEWHERE: dict[str, str] = {
    **{
        elsewhere: one.name
        for table in (ACTIVATIONS, LOSSES)
        for one in table.values()
        for elsewhere in one.names_elsewhere
    },
    "glorot": "glorot_uniform",
    "xavier": "glorot_uniform",
    "xavieruniform": "glorot_uniform",
    "xaviernormal": "glorot_normal",
    "kaiming": "he_uniform",
    "kaiminguniform": "he_uniform",
    "kaimingnormal": "he_normal",
    "he": "he_normal",
    "lecun": "lecun_normal",
    "gd": "sgd",
    "momentum": "sgd",
    "nesterov": "sgd",
    "backprop": "sgd",
    "bfgs": "lbfgs",
    "resilientbackprop": "rprop",
    "cg": "conjugategradient",
    "newtoncg": "conjugategradient",
    "cosineannealing": "cosine",
    "cosinedecay": "cosine",
    "onecyclelr": "one_cycle",
    "all": "full",
}


def normalize_spelling(name: str) -> str:
    """Return a name in lower case, without spaces, dashes and underscores."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """Return `` Did you mean 'logistic'?`` for a name that resembles a known one, or nothing.

    Parameters
    ----------
    given : object
        Anything but a string resembles nothing.
    known : iterable of str

    Examples
    --------
    >>> from sklearn_metabp.did_you_mean import did_you_mean
    >>> did_you_mean("Sigmoid", ["logistic", "tanh"])
    " Did you mean 'logistic'?"
    >>> did_you_mean("sine", ["logistic", "tanh"])
    ''
    """
    if not isinstance(given, str):
        return ""
    by_spelling = {normalize_spelling(name): name for name in known}
    name = normalize_spelling(given)
    meant = by_spelling.get(name) or by_spelling.get(
        normalize_spelling(NAMES_ELSEWHERE.get(name, ""))
    )
    if meant is None:
        like = difflib.get_close_matches(name, by_spelling, n=1, cutoff=0.7)
        meant = by_spelling[like[0]] if like else None
    return "" if meant is None else f" Did you mean {meant!r}?"


class _SignatureOfInit:
    """The ``__signature__`` of a class from ``__init__``; ``inspect`` would take ``__new__``."""

    def __get__(self, instance: Any, owner: Any) -> inspect.Signature:
        if owner.__init__ is object.__init__:
            return inspect.Signature()
        _self, *rest = inspect.signature(owner.__init__).parameters.values()
        return inspect.Signature(rest)


def _once_per_class(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return the function of a class with its results kept, for as long as the class is there."""
    results: WeakKeyDictionary[type, T] = WeakKeyDictionary()

    @wraps(function)
    def look_up(cls: Any) -> T:
        if cls not in results:
            results[cls] = function(cls)
        return results[cls]

    return look_up


@_once_per_class
def _parameters(cls: Any) -> frozenset[str] | None:
    """Return the names that ``__init__`` takes, or None if it takes any."""
    takes_none = cls.__init__ is object.__init__
    parameters = {} if takes_none else dict(inspect.signature(cls.__init__).parameters)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    return None if takes_any else frozenset(parameters) - {"self"}


# scikit-learn reads the signature of the constructor at every call.
_names_of_params = _once_per_class(BaseEstimator._get_param_names.__func__)


@_once_per_class
def _constraints(cls: Any) -> dict[str, tuple[Any, list]]:
    """Return for every parameter with constraints a valid default, and the constraints.

    scikit-learn makes the constraints anew at every call, and tests defaults too.
    """
    given = cls._parameter_constraints
    parameters = inspect.signature(cls.__init__).parameters
    table: dict[str, tuple[Any, list]] = {}
    for name in cls._get_param_names():
        if name not in given or given[name] == "no_validation":
            continue
        constraints = [make_constraint(one) for one in given[name]]
        default = parameters[name].default
        is_valid = any(one.is_satisfied_by(default) for one in constraints)
        table[name] = default if is_valid else object(), constraints
    return table


class ExplainsParameters:
    """Mixin whose errors about unknown parameters and values suggest the right ones.

    Among the bases it comes before ``BaseEstimator``. The class may have ``_parameters_elsewhere``:
    a mapping from parameters of other libraries to their counterparts in this class.
    """

    _parameters_elsewhere: Mapping[str, str] = {}

    __signature__ = _SignatureOfInit()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object if its class has parameters of these names."""
        known = _parameters(cls) if kwargs else None
        for name in kwargs:
            if known is not None and name not in known:
                raise TypeError(f"{cls.__name__} has no parameter {name!r}.{cls._instead_of(name)}")
        if args and cls.__init__ is object.__init__:  # it checks this only without a __new__
            raise TypeError(f"{cls.__name__}() takes no arguments")
        return super().__new__(cls)

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return list(_names_of_params(cls))

    @classmethod
    def _instead_of(cls, name: str) -> str:
        known = _parameters(cls) or ()
        counterpart = cls._parameters_elsewhere.get(name)
        # The counterpart may be a parameter that this class does not have.
        if counterpart is None or (counterpart.isidentifier() and counterpart not in known):
            return did_you_mean(name, known)
        return f" Use {counterpart}."

    def set_params(self, **params: Any) -> Self:
        """Set parameters; the error about an unknown one suggests its counterpart.

        Parameters
        ----------
        **params : dict
            Names and values; ``rule__name`` sets the parameter of a parameter.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no such parameter.
        """
        known = _parameters(type(self))
        for name in params:
            own = name.partition("__")[0]
            if known is not None and own not in known:
                raise InvalidParameterError(
                    f"Invalid parameter {own!r} for {type(self).__name__}.{self._instead_of(own)} "
                    f"Valid parameters are: {sorted(known)}."
                )
        return super().set_params(**params)  # type: ignore[misc]

    def _validate_params(self) -> None:
        """Validate as scikit-learn does, and add a suggestion to the error about a name."""
        for name, (default, constraints) in _constraints(type(self)).items():
            value = getattr(self, name)
            if value is not default and not any(one.is_satisfied_by(value) for one in constraints):
                break
        else:
            return
        try:
            super()._validate_params()  # type: ignore[misc]
        except InvalidParameterError as error:
            raise InvalidParameterError(f"{error}{self._suggestion()}") from None

    def _suggestion(self) -> str:
        for name, constraints in self._parameter_constraints.items():  # type: ignore[attr-defined]
            options = [one for one in constraints if isinstance(one, StrOptions)]
            known = {choice for one in options for choice in one.options}
            value = getattr(self, name)
            if isinstance(value, str) and known and value not in known:
                return did_you_mean(value, known)
        return ""
