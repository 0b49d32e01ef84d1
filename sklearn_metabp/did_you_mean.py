"""What somebody may have meant by a name that is not known here: one place for all that takes names."""

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from sklearn.utils._param_validation import InvalidParameterError, StrOptions

# What scikit-learn, PyTorch and Keras, or the literature, call what has another name here.
NAMES_ELSEWHERE: dict[str, str] = {
    "sigmoid": "logistic",
    "expit": "logistic",
    "linear": "identity",
    "none": "identity",
    "swish": "silu",
    "rectifier": "relu",
    "leakyrelu": "leaky_relu",
    "hardtanh": "tanh",
    "mse": "squared_error",
    "l2": "squared_error",
    "mseloss": "squared_error",
    "meansquarederror": "squared_error",
    "mae": "absolute_error",
    "l1": "absolute_error",
    "l1loss": "absolute_error",
    "meanabsoluteerror": "absolute_error",
    "smoothl1": "huber",
    "smoothl1loss": "huber",
    "poissonnllloss": "poisson",
    "crossentropy": "log_loss",
    "crossentropyloss": "log_loss",
    "binarycrossentropy": "log_loss",
    "categoricalcrossentropy": "log_loss",
    "sparsecategoricalcrossentropy": "log_loss",
    "bce": "log_loss",
    "bceloss": "log_loss",
    "nll": "log_loss",
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
    "backprop": "sgd",
    "bfgs": "lbfgs",
    "resilientbackprop": "rprop",
    "cg": "conjugategradient",
    "cosineannealing": "cosine",
    "cosinedecay": "cosine",
    "onecyclelr": "one_cycle",
    "all": "full",
}


def plain(name: str) -> str:
    """A name without what spellings differ in: case, spaces, dashes and underscores."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """`` Did you mean 'logistic'?`` for a name that is like a known one, is one elsewhere, or nothing.

    Parameters
    ----------
    given : object
        Anything but a string is like nothing.
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
    by_plain = {plain(name): name for name in known}
    name = plain(given)
    here = by_plain.get(name) or by_plain.get(plain(NAMES_ELSEWHERE.get(name, "")))
    if here is None:
        like = difflib.get_close_matches(name, by_plain, n=1, cutoff=0.7)
        here = by_plain[like[0]] if like else None
    return "" if here is None else f" Did you mean {here!r}?"


class _SignatureOfInit:
    """``__signature__`` of a class, which ``inspect`` would take from ``__new__``."""

    def __get__(self, instance, owner):
        if owner.__init__ is object.__init__:
            return inspect.Signature()
        _self, *rest = inspect.signature(owner.__init__).parameters.values()
        return inspect.Signature(rest)


_known: WeakKeyDictionary[type, frozenset[str] | None] = WeakKeyDictionary()


def _parameters(cls: Any) -> frozenset[str] | None:
    """Names that ``__init__`` takes; None where it takes any."""
    if cls not in _known:
        takes_none = cls.__init__ is object.__init__
        parameters = {} if takes_none else dict(inspect.signature(cls.__init__).parameters)
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        _known[cls] = None if takes_any else frozenset(parameters) - {"self"}
    return _known[cls]


class ExplainsParameters:
    """Errors about parameters that a class does not have, or names that they do not take, say what does.

    Put it before ``BaseEstimator``. The class may have ``_parameters_elsewhere``, which says by the
    name of a parameter of another library what stands for it here.
    """

    _parameters_elsewhere: Mapping[str, str] = {}

    __signature__ = _SignatureOfInit()

    def __new__(cls, *args: Any, **kwargs: Any):
        """Make the object, if there are parameters of these names."""
        known = _parameters(cls) if kwargs else None
        for name in kwargs:
            if known is not None and name not in known:
                raise TypeError(f"{cls.__name__} has no parameter {name!r}.{cls._instead_of(name)}")
        if args and cls.__init__ is object.__init__:  # which says so only where there is no __new__
            raise TypeError(f"{cls.__name__}() takes no arguments")
        return super().__new__(cls)

    @classmethod
    def _instead_of(cls, name: str) -> str:
        known = _parameters(cls) or ()
        here = cls._parameters_elsewhere.get(name)
        if here is None or (
            here.isidentifier() and here not in known
        ):  # not every class has what it may be
            return did_you_mean(name, known)
        return f" Here it is {here}."

    def set_params(self, **params):
        """Set parameters; an unknown one is an error that says what stands for it here.

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

    def _validate_params(self):
        """As scikit-learn does, and say what a name may have meant."""
        try:
            super()._validate_params()  # type: ignore[misc]
        except InvalidParameterError as error:
            raise InvalidParameterError(f"{error}{self._what_names_mean()}") from None

    def _what_names_mean(self) -> str:
        for name, constraints in self._parameter_constraints.items():  # type: ignore[attr-defined]
            options = [one for one in constraints if isinstance(one, StrOptions)]
            known = {choice for one in options for choice in one.options}
            value = getattr(self, name)
            if isinstance(value, str) and known and value not in known:
                return did_you_mean(value, known)
        return ""
