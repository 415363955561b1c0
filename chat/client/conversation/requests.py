"""What a person or a program can ask of the client, whichever way it was put: as a command, as JSON, by a key.

Values without behaviour; ``chat.client.conversation.conversation`` does them. Requests that take the same share one
dataclass, since Python compiles six methods for each at every start of the program. A request equals only those of its
own class.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType


class RequestError(Exception):
    """It cannot be understood; the text is one sentence for whoever asked."""


@dataclass(frozen=True)
class _Bare:
    """Takes nothing."""


@dataclass(frozen=True)
class _Numbered:
    """For an attachment, or its transfer."""

    number: int


@dataclass(frozen=True)
class _Named:
    """For a user."""

    name: str


@dataclass(frozen=True)
class _Switch:
    """None asks how it is."""

    on: bool | None = None


@dataclass(frozen=True)
class Say:
    """A text, to everyone or to one user."""

    text: str
    to: str | None = None


@dataclass(frozen=True)
class Reply:
    """A text to who last sent a private one."""

    text: str


@dataclass(frozen=True)
class SendFile:
    """A file at ``path`` as File, Image or Voice (``kind``), to everyone or to one user.

    ``allows_directory``: a directory at ``path`` is sent as a tar archive; else it is refused.
    """

    path: str
    kind: MessageType = MessageType.FILE
    to: str | None = None
    allows_directory: bool = True


class Get(_Numbered):
    """Fetch the attachment that was announced under ``number``."""


class Cancel(_Numbered):
    """Give up the transfer ``number``, in either direction."""


class ListTransfers(_Bare):
    """Which attachments there are and how far they are."""


class Who(_Bare):
    """Who is in the room."""


@dataclass(frozen=True)
class AskServer:
    """Have the server do something; its answer is for whoever asked."""

    command: Command


class Register(_Bare):
    """Make the own name an account; the password is asked for, by a face that can do so without showing it."""


class ChangePassword(_Bare):
    """Have another password; both are asked for in the same way."""


@dataclass(frozen=True)
class Help:
    """The commands, or one of them."""

    command: str | None = None


class Quit(_Bare):
    """Leave the room."""


# The rest of what it takes is still to be asked of whoever asked for it.
NeedsPassword = Register | ChangePassword
CommonRequest = (
    Say
    | Reply
    | SendFile
    | Get
    | Cancel
    | ListTransfers
    | Who
    | AskServer
    | NeedsPassword
    | Help
    | Quit
)

# The rest makes sense only on a screen.


@dataclass(frozen=True)
class SearchLog:
    """Find ``text`` in the log; without one, what is searched for is asked."""

    text: str | None = None


class ClearLog(_Bare):
    """Forget what the view shows."""


@dataclass(frozen=True)
class SaveLog:
    """Write the log of the view as text to ``path``."""

    path: str


class FollowLog(_Switch):
    """Append the room's log to a file as it goes, or stop it; None: tell whether it is done, and where."""


@dataclass(frozen=True)
class Ignore:
    """Hide what ``name`` says from now on; None: tell who is ignored."""

    name: str | None = None


class Unignore(_Named):
    """Hear ``name`` again."""


class SetBell(_Switch):
    """Ring for what is meant for us, or don't; None: tell which."""


class ToggleNames(_Bare):
    """Show who is here in a column, or take it away."""


class OpenView(_Named):
    """A view of the private conversation with ``name``."""


class CloseView(_Bare):
    """Leave the private conversation that is shown."""


class ShowKeys(_Bare):
    """What each key does."""


class OpenFile(_Numbered):
    """Hand the saved attachment ``number`` to the desktop's program."""


@dataclass(frozen=True)
class Reconnect:
    """Connect again at once, under another name if there is one."""

    username: str | None = None


ScreenRequest = (
    SearchLog
    | ClearLog
    | SaveLog
    | FollowLog
    | Ignore
    | Unignore
    | SetBell
    | ToggleNames
    | OpenView
    | CloseView
    | ShowKeys
    | OpenFile
    | Reconnect
)
Request = CommonRequest | ScreenRequest
