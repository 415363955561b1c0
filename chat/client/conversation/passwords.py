"""Ask the user for a new password, for every frontend that can hide the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from chat.client.conversation.requests import ChangePassword, Register, RequestError
from chat.protocol.commands import Command, Verb
from chat.protocol.passwords import LENGTH_HINT, length_problem

# Shows the prompt and waits for the answer, without showing it. None, or an empty answer, cancels.
AskSecretly: TypeAlias = Callable[[str], "str | None"]

NOT_CHANGED = "Nothing was changed."
NO_TERMINAL = "This command asks for a password, which needs a terminal that can hide it."


def choose_password(request: Register | ChangePassword, ask: AskSecretly) -> Command:
    """Ask for the passwords of ``request``, for a new one twice; return the command. Raises RequestError."""
    old = None
    if isinstance(request, ChangePassword):
        old = _answer(ask, "your current password: ")
    new = _answer(ask, f"your new password ({LENGTH_HINT}): ")
    # Before it is typed again. The server has the last word, also on this.
    problem = length_problem(new)
    if problem is not None:
        raise RequestError(f"{problem} {NOT_CHANGED}")
    if _answer(ask, "the new password again: ") != new:
        raise RequestError(f"The two passwords are different. {NOT_CHANGED}")
    if old is None:
        return Command(Verb.REGISTER, password=new)
    return Command(Verb.PASSWD, password=old, new_password=new)


def chosen_password(command: Command) -> str | None:
    """Return the new password that ``command`` sets for this user's name; None if it sets none."""
    if command.verb == Verb.REGISTER:
        return command.password
    return command.new_password if command.verb == Verb.PASSWD else None


def _answer(ask: AskSecretly, prompt: str) -> str:
    answer = ask(prompt)
    if not answer:
        raise RequestError(NOT_CHANGED)
    return answer
