"""The weights of a fitted network, to read and to write."""

import zlib
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.sparse import issparse
from sklearn.exceptions import NotFittedError

from sklearn_metabp.network import ParameterLayout
from sklearn_metabp.network.layout import Role, Tensor
from sklearn_metabp.training import TrainingState


def checksum(params: np.ndarray) -> int:
    """Return a checksum to find later writes. A copy would double the memory."""
    return zlib.crc32(params.data)


def explain_lack(estimator: Any, name: str) -> str:
    """Return the text of the error for an attribute that an estimator does not have."""
    kind, members = type(estimator).__name__, vars(estimator).get("_members")
    if members:
        return (
            f"{kind!r} object of {len(members)} networks has no attribute {name!r}: each network "
            f"has its own, such as model.members_[0].{name}"
        )
    if name == "members_":
        return f"{kind!r} object has no attribute 'members_' before a fit with n_members > 1"
    if vars(estimator).get("_params") is not None:
        return (
            f"{kind!r} object has no attribute {name!r}: it is compact, and compact() drops the "
            "state of the training"
        )
    return f"{kind!r} object has no attribute {name!r} before fit"


class LayerArrays(list):
    """Views of one flat vector, one per layer. Setting an item writes into the vector.

    A copy or a pickle of it is a plain list.

    Parameters
    ----------
    arrays : list of ndarray
    tensors : list of Tensor
        Names and shapes of the arrays.
    """

    def __init__(self, arrays: list[np.ndarray], tensors: list[Tensor]):
        super().__init__(arrays)
        self._tensors = tensors

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(index, slice):
            chosen, values = self._tensors[index], list(value)
            check_one_per_layer(
                f"{self._tensors[0].name.partition('[')[0]}[{_text(index)}]", values, len(chosen)
            )
            arrays = self[index]
        else:
            chosen, values, arrays = [self._tensors[index]], [value], [self[index]]
        checked = [
            check_tensor(t, v, a.dtype) for t, v, a in zip(chosen, values, arrays, strict=True)
        ]
        for array, new in zip(arrays, checked, strict=True):
            array[...] = new

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "The number and the order of the layers of a fitted network do not change: set an "
            "array, as in model.coefs_[0] = W, or use list(model.coefs_) for a list to change."
        )

    append = extend = insert = pop = remove = clear = sort = reverse = _refuse
    __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return list, (list(self),)


class WritableWeights:
    """``coefs_``, ``intercepts_`` and ``params_`` of a fitted estimator, to read and to write."""

    layout_: ParameterLayout
    _params: np.ndarray
    _training_state: TrainingState

    @property
    def params_(self) -> np.ndarray:
        """All parameters as one vector of shape (n_params,). Setting copies the array."""
        return self._params_for("params_")

    @params_.setter
    def params_(self, params: ArrayLike) -> None:
        layout = self._layout_to_write("params_")
        whole = Tensor("params_", 0, Role.WEIGHTS, slice(None), (layout.n_params,))
        self._params = check_tensor(whole, params, layout.dtype)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weight matrices as views of ``params_``, each of shape (fan_in, fan_out)."""
        params = self._params_for("coefs_")
        tensors = [tensor for tensor in self.layout_.tensors if tensor.is_weights]
        return LayerArrays(self.layout_.coefs(params), tensors)

    @coefs_.setter
    def coefs_(self, coefs: Iterable[ArrayLike]) -> None:
        self._write_tensors("coefs_", coefs, Role.WEIGHTS)

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Bias vectors as views of ``params_``, each of shape (fan_out,)."""
        params = self._params_for("intercepts_")
        tensors = [tensor for tensor in self.layout_.tensors if tensor.is_bias]
        return LayerArrays(self.layout_.intercepts(params), tensors)

    @intercepts_.setter
    def intercepts_(self, intercepts: Iterable[ArrayLike]) -> None:
        self._write_tensors("intercepts_", intercepts, Role.BIASES)

    @property
    def extras_(self) -> dict[str, np.ndarray]:
        """Trained parameters other than weights and biases, by name, as views of ``params_``."""
        return self.layout_.extras_of(self._params_for("extras_"))

    def _params_for(self, name: str) -> np.ndarray:
        """Return the parameters, or raise AttributeError for the attribute that needs them."""
        try:
            return self._params
        except AttributeError:
            raise AttributeError(explain_lack(self, name)) from None

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        # Both attributes must be the same array, and not every file format preserves this.
        training = state.get("_training_state")  # a learner that was loaded with its rule has none
        if training is not None and training.params is state.get("_params"):
            state = {name: value for name, value in state.items() if name != "_params"}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        if hasattr(self, "_training_state") and not hasattr(self, "_params"):
            self._params = self._training_state.params

    def _write_tensors(self, name: str, given: Iterable[ArrayLike], role: Role) -> None:
        layout = self._layout_to_write(name)
        tensors = [tensor for tensor in layout.tensors if tensor.role is role]
        values = list(given)
        check_one_per_layer(name, values, len(tensors))
        params = self.params_.copy()
        for tensor, value in zip(tensors, values, strict=True):
            params[tensor.slice] = check_tensor(tensor, value, layout.dtype).ravel()
        self._params = params

    def _layout_to_write(self, name: str) -> ParameterLayout:
        if "layout_" not in vars(self):
            raise NotFittedError(
                f"{name} belong to a fitted network, but this {type(self).__name__} is not "
                "fitted. To choose the start of a training, use fit(coef_init=, intercept_init=)."
            )
        if vars(self).get("_members"):
            raise AttributeError(explain_lack(self, name))
        return self.layout_

    def _written_params(self) -> np.ndarray | None:
        """Return the parameters if they were written after the training, else None.

        Raises
        ------
        ValueError
            If a written number is not finite.
        """
        left = vars(self).get("_params_checksum")
        if left is None or checksum(self.params_) == left:
            return None
        for tensor in self.layout_.tensors:
            check_tensor(
                tensor, self.params_[tensor.slice].reshape(tensor.shape), self.layout_.dtype
            )
        return self.params_


def check_one_per_layer(name: str, values: list, n_layers: int) -> None:
    """Raise ValueError unless there are as many arrays as layers."""
    if len(values) != n_layers:
        raise ValueError(
            f"{name} must be {n_layers} arrays, one per layer of weights; got {len(values)}."
        )


def check_tensor(tensor: Tensor, value: Any, dtype: DTypeLike) -> np.ndarray:
    """Check a tensor from a user, and return a copy.

    Raises
    ------
    TypeError
        If it is sparse or holds no real numbers.
    ValueError
        If the shape does not fit, or a number is not finite.
    """
    if issparse(value):
        raise TypeError(f"{tensor.name} must be a dense array, got a sparse one: use toarray().")
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of several lengths
        raise ValueError(
            f"{tensor.name} must be an array of shape {tensor.shape}: {error}"
        ) from error
    if array.shape != tensor.shape:
        raise ValueError(f"{tensor.name} must have the shape {tensor.shape}, got {array.shape}.")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{tensor.name} must hold real numbers, got dtype {array.dtype}.")
    with np.errstate(over="ignore"):
        checked = np.array(array, dtype, order="C")
    if not np.isfinite(checked).all():
        raise ValueError(
            f"{tensor.name} must be finite in {checked.dtype}: it has NaN or infinity."
        )
    return checked


def _text(index: slice) -> str:
    return ":".join("" if part is None else str(part) for part in (index.start, index.stop))
