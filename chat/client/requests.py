"""What a person or a program can ask of the client, whichever way it was put: as a command, as JSON, by a key.

Values without behaviour; ``chat.client.conversation`` does them.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType


class RequestError(Exception):
    """It cannot be understood; the text is one sentence for whoever asked."""


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


@dataclass(frozen=True)
class Get:
    """Fetch the attachment that was announced under ``number``."""

    number: int


@dataclass(frozen=True)
class Cancel:
    """Give up the transfer ``number``, in either direction."""

    number: int


@dataclass(frozen=True)
class ListTransfers:
    """Which attachments there are and how far they are."""


@dataclass(frozen=True)
class Who:
    """Who is in the room."""


@dataclass(frozen=True)
class AskServer:
    """Have the server do something; its answer is for whoever asked."""

    command: Command


@dataclass(frozen=True)
class Register:
    """Make the own name an account; the password is asked for, by a face that can do so without showing it."""


@dataclass(frozen=True)
class ChangePassword:
    """Have another password; both are asked for in the same way."""


@dataclass(frozen=True)
class Help:
    """The commands, or one of them."""

    command: str | None = None


@dataclass(frozen=True)
class Quit:
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


@dataclass(frozen=True)
class ClearLog:
    """Forget what the view shows."""


@dataclass(frozen=True)
class SaveLog:
    """Write the log of the view as text to ``path``."""

    path: str


@dataclass(frozen=True)
class FollowLog:
    """Append the room's log to a file as it goes, or stop it; None: tell whether it is done, and where."""

    on: bool | None = None


@dataclass(frozen=True)
class Ignore:
    """Hide what ``name`` says from now on; None: tell who is ignored."""

    name: str | None = None


@dataclass(frozen=True)
class Unignore:
    """Hear ``name`` again."""

    name: str


@dataclass(frozen=True)
class SetBell:
    """Ring for what is meant for us, or don't; None: tell which."""

    on: bool | None = None


@dataclass(frozen=True)
class ToggleNames:
    """Show who is here in a column, or take it away."""


@dataclass(frozen=True)
class OpenView:
    """A view of the private conversation with ``name``."""

    name: str


@dataclass(frozen=True)
class CloseView:
    """Leave the private conversation that is shown."""


@dataclass(frozen=True)
class ShowKeys:
    """What each key does."""


@dataclass(frozen=True)
class OpenFile:
    """Hand the saved attachment ``number`` to the desktop's program."""

    number: int


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
