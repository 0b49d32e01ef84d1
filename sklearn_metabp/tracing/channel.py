"""Messages from worker processes to objects of the process that they work for.

A process that pickles a callback for its workers opens one local socket. Its address and key are in
the pickle. Workers send over it, and wait until the message has been received.
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
    """An object that can be sent messages."""

    def receive(self, message: Any) -> None:
        """Take in a message. Called from several threads."""


class Address(NamedTuple):
    """Address of an object: the socket and key of its process, and the object's own token."""

    listener: Any
    key: bytes
    token: str


class _Process:
    """Open connections of this process. A forked process begins without any."""

    def __init__(self) -> None:
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
    """Return an address of an object of this process, valid as long as the object lives."""
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
    """Return the object with that address, or None if it is not in this process."""
    return _here.recipients.get(address.token)


def works_for(address: Address) -> bool:
    """Tell whether this process is a worker that can send to that address."""
    if recipient_at(address) is not None or multiprocessing.parent_process() is None:
        return False
    try:
        _connection(address)
    except (OSError, EOFError, AuthenticationError):
        return False
    return True


def send(address: Address, message: Any) -> None:
    """Send a message, and wait until it has been received.

    Raises
    ------
    ConnectionError
        If it was not received.
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
            f"what this worker process recorded is lost: the process that it works for cannot be "
            "reached "
            f"({type(error).__name__}: {error})."
        ) from error
    if fault:
        raise ConnectionError(
            f"what this worker process recorded is lost: the process that it works for could not "
            "take it "
            f"({fault})."
        )


def _connection(address: Address) -> tuple[Connection, threading.Lock]:
    with _here.lock:
        if address.listener not in _here.connections:
            connection = Client(address.listener, authkey=address.key)
            _here.connections[address.listener] = connection, threading.Lock()
        return _here.connections[address.listener]


def _accept(listener: Listener) -> None:
    """Accept connections, each in a thread of its own."""
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
    """Deliver the messages of a connection until it ends; answer each with its fault, or "".

    A message to an object that no longer exists is dropped.
    """
    token_length = len(uuid.uuid4().hex)
    with suppress(EOFError, OSError):
        while True:
            content = connection.recv_bytes()
            recipient = _here.recipients.get(content[:token_length].decode())
            fault = ""
            try:
                if recipient is not None:
                    recipient.receive(pickle.loads(memoryview(content)[token_length:]))
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            del recipient
            connection.send_bytes(fault.encode())
