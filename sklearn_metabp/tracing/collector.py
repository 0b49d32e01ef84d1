"""A callback that collects in one process the recordings of its copies in other processes."""

import multiprocessing
import os
import threading
import warnings
from typing import Any

from sklearn_metabp.tracing.channel import Address, new_address, recipient_at, send, works_for

_OF_THIS_PROCESS = {"_lock", "_pid", "_home", "_is_cut_off"}


class Collector:
    """A callback whose copies in worker processes send their recordings to the original.

    joblib pickles an estimator and its callbacks for every task of a worker process. A copy in a
    worker process sends its recordings. A copy that was loaded from a file has the recordings from
    before, and collects on its own.

    Subclasses define ``receive(message)`` and ``_forget()``.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        # The own address, once it has been pickled, and the address to send to.
        self._address: Address | None = None
        self._home: Address | None = None
        self._is_cut_off = False

    def receive(self, message: Any) -> None:
        """Add a recording that was made here or by a copy in a worker process."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Drop all recordings, because the original has them."""
        raise NotImplementedError

    def _collects(self) -> bool:
        """Tell whether this callback collects in memory at all."""
        return True

    def _deliver(self, message: Any) -> None:
        """Send a recording to the original, which may be this object.

        Raises
        ------
        ConnectionError
            If the original is in another process that cannot be reached.
        """
        if self._home is None:
            self.receive(message)
        else:
            send(self._home, message)

    def _arrive(self) -> None:
        """Find out where to send to. Called before every fit."""
        if self._pid != os.getpid():  # copied by a fork
            self._settle(self._home or self._address)
        if self._is_cut_off:
            self._is_cut_off = False
            warnings.warn(
                f"This {type(self).__name__} was copied to the worker process {os.getpid()}, which "
                "cannot reach the process it was copied from. Its recordings stay in this copy: "
                "return the estimator from the worker to keep them.",
                stacklevel=2,
            )

    def _settle(self, address: Address | None) -> None:
        """Make this object part of this process, as a copy of the one with that address."""
        self._pid, self._lock, self._address, self._home = (
            os.getpid(),
            threading.RLock(),
            None,
            None,
        )
        self._is_cut_off = False
        if not self._collects():
            return
        if address is not None and works_for(address):
            self._home = address
            self._forget()
        elif multiprocessing.parent_process() is not None:
            self._is_cut_off = address is None or recipient_at(address) is None

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state = {
                name: value for name, value in self.__dict__.items() if name not in _OF_THIS_PROCESS
            }
            return state | {"_address": self._reached_at()}

    def _reached_at(self) -> Address | None:
        """Return the address for copies to send to: that of the original."""
        if self._home is not None or not self._collects():
            return self._home
        if self._address is None or self._pid != os.getpid():
            self._address = new_address(self)
        return self._address

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._settle(state["_address"])

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._home is None:
            return super().__reduce_ex__(protocol)
        # When a copy comes back from a worker with its estimator, it becomes the original again.
        return _collector_at, (type(self), self.__getstate__())

    def emptied(self) -> "Collector":
        """Return a copy without recordings, to be pickled with an unfitted estimator.

        Unpickled in a worker process it sends to this object, and in this process it is this
        object. Elsewhere it has collected nothing.
        """
        stand_in = object.__new__(type(self))
        address = self._reached_at()
        stand_in.__setstate__(self.__getstate__())
        stand_in._forget()
        stand_in._is_cut_off, stand_in._home = False, address
        return stand_in


def _collector_at(kind: type[Collector], state: dict[str, Any]) -> Any:
    """Return the collector with the address in a state, or a new one with that state."""
    address = state["_address"]
    collector = None if address is None else recipient_at(address)
    if collector is None:
        collector = object.__new__(kind)
        collector.__setstate__(state)
    return collector
