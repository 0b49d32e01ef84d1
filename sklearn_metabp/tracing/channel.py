"""Messages from worker processes to objects of the process that they work for.

A process that pickles a callback for its workers listens at one local socket, whose address and key
are in the pickle. Workers send over it, and wait until the message has been received.
"""

import multiprocessing
import os
import pickle
import threading
import time
import uuid
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from joblib import wrap_non_picklable_objects

# Connections that may wait to be accepted: more than a search has workers.
_BACKLOG = 128


class Recipient(Protocol):
    """An object that messages can be for."""

    def receive(self, message) -> None:
        """Take a message in; called from several threads."""


class Address(NamedTuple):
    """Where an object is: in which process, and which of its objects it is."""

    listener: Any
    key: bytes
    token: str


class _Process:
    """What this process has open; a forked one begins afresh."""

    def __init__(self):
        self.lock = threading.Lock()
        self.listener: tuple[Any, bytes] | None = None
        self.recipients: WeakValueDictionary[str, Recipient] = WeakValueDictionary()
        self.connections: dict[Any, tuple[Connection, threading.Lock]] = {}


_here = _Process()


def _after_fork() -> None:
    global _here
    _here = _Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def new_address(recipient: Recipient) -> Address:
    """An address at which an object of this process can be reached, for as long as it lives."""
    token = uuid.uuid4().hex
    with _here.lock:
        if _here.listener is None:
            key = os.urandom(32)
            listener = Listener(authkey=key, backlog=_BACKLOG)
            _here.listener = listener.address, key
            threading.Thread(
                target=_accept, args=(listener,), name="trace listener", daemon=True
            ).start()
        _here.recipients[token] = recipient
        return Address(*_here.listener, token)


def recipient_at(address: Address) -> Recipient | None:
    """The object with that address, if it is one of this process."""
    return _here.recipients.get(address.token)


def works_for(address: Address) -> bool:
    """Whether this process is a worker that can send to that address."""
    if recipient_at(address) is not None or multiprocessing.parent_process() is None:
        return False
    try:
        _connection(address)
    except (OSError, EOFError, AuthenticationError):
        return False
    return True


def send(address: Address, message) -> None:
    """Send a message, and wait until it has been received.

    Raises
    ------
    ConnectionError
        If it has not been.
    """
    try:
        content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    except (
        Exception
    ):  # joblib's workers have classes of the main script that a plain pickle does not find
        content = pickle.dumps(wrap_non_picklable_objects(message, keep_wrapper=False))
    try:
        connection, lock = _connection(address)
        with lock:
            connection.send_bytes(address.token.encode() + content)
            fault = connection.recv_bytes().decode()
    except (OSError, EOFError, AuthenticationError) as error:
        raise ConnectionError(
            f"what this worker process recorded is lost: the process that it works for cannot be reached "
            f"({type(error).__name__}: {error})."
        ) from error
    if fault:
        raise ConnectionError(
            f"what this worker process recorded is lost: the process that it works for could not take it "
            f"({fault})."
        )


def _connection(address: Address) -> tuple[Connection, threading.Lock]:
    with _here.lock:
        if address.listener not in _here.connections:
            connection = Client(address.listener, authkey=address.key)
            _here.connections[address.listener] = connection, threading.Lock()
        return _here.connections[address.listener]


def _accept(listener: Listener) -> None:
    """Take up connections, each in a thread of its own."""
    while True:
        try:
            connection = listener.accept()
        except (
            EOFError,
            OSError,
            AuthenticationError,
        ):  # no worker of ours, or one that was killed
            time.sleep(0.01)
            continue
        threading.Thread(
            target=_receive, args=(connection,), name="trace receiver", daemon=True
        ).start()


def _receive(connection: Connection) -> None:
    """Hand on what comes over a connection until it ends; every message is answered, by its fault if any."""
    token_length = len(uuid.uuid4().hex)
    with suppress(EOFError, OSError):
        while True:
            content = connection.recv_bytes()
            recipient = _here.recipients.get(content[:token_length].decode())
            fault = ""
            try:
                if recipient is not None:  # one that is gone has nobody who could read it
                    recipient.receive(pickle.loads(memoryview(content)[token_length:]))
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            del recipient
            connection.send_bytes(fault.encode())
