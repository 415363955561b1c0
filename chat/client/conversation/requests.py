"""The requests of a user or a program: typed as a command, written as JSON, or made by a key.

The ``room`` of a request is the name of a room; None: the default room.

Requests are values without behaviour; ``chat.client.conversation.conversation`` carries them out. A request equals only
requests of the same class.
"""

from __future__ import annotations

from datetime import datetime

from chat.client.conversation.room_requests import (
    ChangeRoom,
    InviteUser,
    PartRoom,
    RemoveUser,
    RoomRequest,
    SetNotify,
    SetTopic,
    ShowRoom,
    ShowTopic,
)
from chat.protocol.commands import Command
from chat.protocol.descriptor import MessageType
from chat.structs import Struct, replace


class RequestError(Exception):
    """The request is invalid. The text is one sentence for the user."""


class _Bare(Struct):
    """A request without fields."""


class _Numbered(Struct):
    """A request about an attachment, or its transfer. Without a number: about the only one that fits."""

    number: int | None = None


class _Named(Struct):
    """A request about a user."""

    name: str


class _Switch(Struct):
    """A request that turns a setting on or off. None shows the setting."""

    on: bool | None = None


class Say(Struct):
    """Send a text to a room, or to one user."""

    text: str
    to: str | None = None
    room: str | None = None


class Reply(Struct):
    """Send a text to the sender of the last private message."""

    text: str


class _AboutDoubt(Struct):
    """A request about a line that was perhaps said, by its number or its nonce. Without both: about all of them."""

    nonce: str | None = None
    number: int | None = None


class SayAgain(_AboutDoubt):
    """Say a line again of which nobody knows whether it was said."""


class DropLine(_AboutDoubt):
    """Forget a line of which nobody knows whether it was said."""


class SendFile(Struct):
    """Send the file at ``path`` as FILE, IMAGE or VOICE (``kind``), to a room or to one user.

    ``allows_directory``: send a directory as a tar archive; otherwise refuse it. ``unquoted`` is the path as a shell
    reads it: it is meant if there is nothing at ``path``. None: only ``path`` is meant.
    """

    path: str
    kind: MessageType = MessageType.FILE
    to: str | None = None
    allows_directory: bool = True
    unquoted: str | None = None
    room: str | None = None


class Get(_Numbered):
    """Save the attachment ``number``."""


class Cancel(_Numbered):
    """Cancel the transfer ``number``, in either direction."""


class OpenFile(_Numbered):
    """Open the saved attachment ``number`` with a program of the desktop, or of the user's choice."""


class ListTransfers(_Bare):
    """List the attachments and their progress."""


class Who(Struct):
    """List the users in the room whose names begin with ``prefix``.

    Of a room with very many users, at most ``limit``, behind the name ``after``; without a limit, a usual number.
    """

    room: str | None = None
    prefix: str = ""
    after: str | None = None
    limit: int | None = None


class AboutServer(Struct):
    """Tell which server the user is at."""


class WhoIs(_Named):
    """Tell what is known of the user ``name``: whether they are here, registered, a moderator."""


class AskServer(Struct):
    """Send a command to the server. The user sees its answer."""

    command: Command


class Register(_Bare):
    """Turn this user's name into an account. A frontend that can hide the answer asks for the password."""


class ChangePassword(_Bare):
    """Change the password of this user's account. The frontend asks for the old and the new password."""


class Help(Struct):
    """Explain the commands, or one command."""

    command: str | None = None


class Quit(_Bare):
    """Leave the room."""


class Reconnect(Struct):
    """Connect again now, under another name if one is given."""

    username: str | None = None


class SetPresence(Struct):
    """Show ``all``, ``smart`` or ``none`` of the joins and leaves. None tells which are shown."""

    mode: str | None = None


class Ignore(Struct):
    """Hide the messages of users whose names match ``pattern`` from now on. None lists the patterns."""

    pattern: str | None = None


class Unignore(Struct):
    """Remove ``pattern`` from the patterns for ignored users."""

    pattern: str


class Highlight(Struct):
    """Treat texts with ``word`` as mentions from now on. None lists the words."""

    word: str | None = None


class Unhighlight(Struct):
    """Treat texts with ``word`` as others again."""

    word: str


class ListMentions(_Bare):
    """List the last texts that mentioned the user."""


class ShowEarlier(Struct):
    """Show ``count`` more earlier messages (None: a page), those from the moment ``at`` on, or those around a match.

    ``found`` is the number of the match in the lines of the last search, from 1; it may be in another room.
    """

    count: int | None = None
    at: datetime | None = None
    found: int | None = None
    room: str | None = None


class FetchEarlier(Struct):
    """Fetch at most ``limit`` earlier messages of the room, or private ones: with one ``partner``, or with all.

    The last ones before the number ``before``, or the first ones after the number ``after`` or from the time ``at`` on
    (RFC 3339). With ``around``, half of them end with this number, and half follow. Without any, the last of all. The
    numbers are those of ``epoch``; if it is another one by now, the server refuses the query. None: not compared.
    """

    private: bool = False
    partner: str | None = None
    before: int | None = None
    after: int | None = None
    at: str | None = None
    around: int | None = None
    limit: int = 50
    epoch: str | None = None
    room: str | None = None


class SearchLog(Struct):
    """Find messages that fit ``text``. None: ask the user for it or, in lines, go on with the last search."""

    text: str | None = None
    room: str | None = None


class FetchFound(Struct):
    """Fetch at most ``limit`` messages of the room that the server finds, or of the user's private messages.

    They have all of the ``words``, and fit all else that is not None: see ``SearchTerms``; times are in RFC 3339. Only
    those before the number ``before``; only private ones with ``partner``.
    """

    words: str = ""
    sender: str | None = None
    since: str | None = None
    until: str | None = None
    has: str | None = None
    private: bool = False
    partner: str | None = None
    before: int | None = None
    limit: int = 20
    room: str | None = None


class ListFiles(Struct):
    """List at most ``limit`` attachments that can be fetched, newest first.

    Those of the room; beside the default room also those of private messages. The name of the file has all of the
    ``words``.
    """

    words: str = ""
    limit: int = 20
    room: str | None = None


# Requests for which the frontend must still ask the user for a password.
NeedsPassword = Register | ChangePassword
CommonRequest = (
    Say
    | Reply
    | SayAgain
    | DropLine
    | SendFile
    | Get
    | Cancel
    | OpenFile
    | ListTransfers
    | Who
    | WhoIs
    | AboutServer
    | RoomRequest
    | AskServer
    | NeedsPassword
    | Help
    | Reconnect
    | SetPresence
    | Ignore
    | Unignore
    | Highlight
    | Unhighlight
    | ListMentions
    | ShowEarlier
    | FetchEarlier
    | SearchLog
    | FetchFound
    | ListFiles
    | Quit
)

# The frontends themselves carry out the other requests. All but ``Copy`` make sense only on the screen.


class Copy(Struct):
    """Put a message into the clipboard: the ``number``-th from the end, from 1."""

    number: int = 1


class ClearLog(_Bare):
    """Clear the view."""


class SaveLog(Struct):
    """Write the log of the view as text to ``path``."""

    path: str


class FollowLog(_Switch):
    """Start or stop appending the logs of the rooms to a file. None shows whether it is on, and the file."""


class SetBell(_Switch):
    """Turn the bell for mentions and private messages on or off. None shows the setting."""


class SetMouse(_Switch):
    """Let the terminal send mouse events to the client, or keep them. None changes from one to the other."""


class SetRaw(_Switch):
    """Show texts without the styles of their markup, or with them. None changes from one to the other."""


class ToggleNames(_Bare):
    """Show or hide the column of names."""


class ToggleSidebar(_Bare):
    """Show or hide the list of views beside the log."""


class OpenView(_Named):
    """Open the view of the private conversation with ``name``."""


class CloseView(_Bare):
    """Close the private conversation that is shown."""


class ShowKeys(_Bare):
    """Explain the keys."""


class ShowBareView(_Bare):
    """Show the log alone, for copying by mouse."""


ScreenRequest = (
    Copy
    | ClearLog
    | SaveLog
    | FollowLog
    | SetBell
    | SetMouse
    | SetRaw
    | SetNotify
    | ToggleNames
    | ToggleSidebar
    | OpenView
    | CloseView
    | ShowKeys
    | ShowBareView
)
# What a screen carries out itself: for lines, the conversation does.
OnScreen = ScreenRequest | ShowEarlier | SearchLog
Request = CommonRequest | ScreenRequest

# What a user types is for the room that they are looking at, or writing in.
_IN_A_ROOM = (
    *(Who, PartRoom, ShowTopic, SetTopic, InviteUser, RemoveUser, ShowRoom, ChangeRoom, SetNotify),
    *(ShowEarlier, SearchLog, FetchEarlier, FetchFound, ListFiles),
)


def in_room(request: Request, room: str | None) -> Request:
    """Return ``request`` for ``room``, unless it is for a certain room or user, or for none at all."""
    if isinstance(request, Say | SendFile):
        is_open = request.to is None and request.room is None
        return replace(request, room=room) if is_open else request
    if isinstance(request, _IN_A_ROOM) and request.room is None:
        return replace(request, room=room)
    return request
