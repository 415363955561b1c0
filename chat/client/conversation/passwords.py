"""Choosing a password, by questions whose answers nobody sees: the same for every face that can ask so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from chat.client.conversation.requests import ChangePassword, Register, RequestError
from chat.protocol.commands import Command, Verb

# Shows the prompt and waits for the answer, without showing that; None, or nothing: who is asked has thought better.
AskSecretly: TypeAlias = Callable[[str], "str | None"]

NOT_CHANGED = "Nothing was changed."
NO_TERMINAL = "A password is asked for, which takes a terminal to type it unseen."


def choose_password(request: Register | ChangePassword, ask: AskSecretly) -> Command:
    """What the server is to be asked. The new password is asked for twice. Raises RequestError."""
    old = None
    if isinstance(request, ChangePassword):
        old = _answer(ask, "your password so far: ")
    new = _answer(ask, "a new password: ")
    if _answer(ask, "the same once more: ") != new:
        raise RequestError(f"The two are not the same. {NOT_CHANGED}")
    if old is None:
        return Command(Verb.REGISTER, password=new)
    return Command(Verb.PASSWD, password=old, new_password=new)


def chosen_password(command: Command) -> str | None:
    """The password that the own name has once ``command`` is done; None: as before."""
    if command.verb == Verb.REGISTER:
        return command.password
    return command.new_password if command.verb == Verb.PASSWD else None


def _answer(ask: AskSecretly, prompt: str) -> str:
    answer = ask(prompt)
    if not answer:
        raise RequestError(NOT_CHANGED)
    return answer
