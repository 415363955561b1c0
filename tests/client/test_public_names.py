"""The names of the library: ``chat.client`` exports what its users need, and names of earlier versions still work."""

from __future__ import annotations

import inspect
import threading

import pytest

import chat.client
from chat.client import errors
from chat.client.connection.receipts import Receipt, Status
from chat.client.trust.connector import UnknownServer
from chat.protocol.descriptor import MessageType


def test_each_public_name_can_be_imported() -> None:
    names: dict[str, object] = {}
    exec("from chat.client import *", names)
    assert names.keys() - {"__builtins__"} == set(chat.client.__all__)


def test_each_public_class_and_function_is_documented() -> None:
    things = [getattr(chat.client, name) for name in chat.client.__all__]
    documents = {
        thing.__name__: thing.__doc__ or ""
        for thing in things
        if inspect.isclass(thing) or inspect.isfunction(thing)
    }
    # A dataclass without a docstring has one that Python makes of its fields: "Text(sender: str, …".
    assert not [name for name, text in documents.items() if not text or text.startswith(f"{name}(")]


def test_each_error_of_the_library_is_public() -> None:
    kinds = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.ChatError)
    }
    assert kinds <= set(chat.client.__all__)


@pytest.mark.parametrize(("old", "new"), [("Fate", Status), ("Stranger", UnknownServer)])
def test_an_old_name_still_works_and_warns(old: str, new: type) -> None:
    with pytest.warns(DeprecationWarning, match=rf"chat\.client\.{new.__name__}") as warned:
        assert getattr(chat.client, old) is new
    assert warned[0].filename == __file__  # a warning that names the library's file helps nobody
    assert old not in chat.client.__all__


def test_the_old_attribute_of_a_receipt_still_works_and_warns() -> None:
    receipt = Receipt(threading.Event(), MessageType.UTF8, text="hi")
    with pytest.warns(DeprecationWarning, match=r"Receipt\.status") as warned:
        assert receipt.fate is Status.WAITING
    assert warned[0].filename == __file__


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Destiny"):
        _ = chat.client.Destiny
