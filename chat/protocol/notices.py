"""List the codes of notices, refusals and leave reasons, which programs compare.

A notice is a Utf8 frame from ``server`` to one user. Its code is in the header key ``notice``, and its content is a
sentence for the user. No user can have the name ``SERVER_NAME``.
"""

from __future__ import annotations

from enum import Enum

SERVER_NAME = "server"


class NoticeCode(str, Enum):
    """List the values of the header key ``notice``."""

    NO_SUCH_USER = "no-such-user"
    BAD_HEADER = "bad-header"
    BAD_TYPE = "bad-type"
    NOT_UTF8 = "not-utf8"
    EMPTY = "empty"
    TOO_LARGE = "too-large"
    NO_SPACE = "no-space"
    GONE = "gone"
    SHUTTING_DOWN = "shutting-down"
    # Answers to commands; only DONE means success.
    DONE = "done"
    BAD_COMMAND = "bad-command"
    NOT_ALLOWED = "not-allowed"
    WRONG_PASSWORD = "wrong-password"
    ENCRYPTION_NEEDED = "encryption-needed"
    MUTED = "muted"
    NO_HISTORY = "no-history"
    # The place named in a query is of another epoch, or does not exist.
    BAD_PLACE = "bad-place"
    NO_SUCH_ROOM = "no-such-room"
    NOT_IN_ROOM = "not-in-room"
    NOT_INVITED = "not-invited"
    TOO_MANY_ROOMS = "too-many-rooms"
    # The recipient does not take messages of this user.
    BLOCKED = "blocked"
    # Too many private messages wait for the recipient, or too many of this user's.
    MAILBOX_FULL = "mailbox-full"
    # The last frame of a session whose user logged in from elsewhere. The client must not reconnect by itself, or the
    # two would replace each other again and again.
    REPLACED = "replaced"
    # To one user: the operator changed their account.
    ACCOUNT = "account"
    # To everyone: a text of the operator.
    ANNOUNCEMENT = "announcement"
    # To users who asked for it at their login: another user's account or rights have changed.
    STATUS = "status"
    # To everyone: what a moderator did to a user.
    MODERATED = "moderated"
    # To everyone: messages are numbered under another epoch from now on.
    EPOCH = "epoch"
    # To the other devices of a user: up to where the user has read.
    READ = "read"
    # To one user, again and again while their messages wait for the log to commit: the server is alive.
    WAITING = "waiting"
    # To one user: their client should go to another server of the cluster, one of ``servers``. No error: the session
    # goes on until the client has come back there.
    MOVE = "move"
    # To the members of a room: its new topic, in the content; its settings have changed.
    TOPIC = "topic"
    ROOM = "room"
    # To one user: an owner invites them to a room, or has removed them from it.
    INVITED = "invited"
    REMOVED = "removed"
    # To the members of a room with very many: how many are here. Joins and leaves are not announced there.
    HERE = "here"


class Refusal(str, Enum):
    """List the values of ``error`` in the header of a refused JSON login."""

    USERNAME_EXISTS = "username-exists"
    BAD_USERNAME = "bad-username"
    BAD_HEADER = "bad-header"
    TOO_LARGE = "too-large"
    NOT_LOGGED_IN = "not-logged-in"
    SERVER_FULL = "server-full"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    NO_SUCH_SESSION = "no-such-session"
    TOO_MANY_TRANSFERS = "too-many-transfers"
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    ENCRYPTION_NEEDED = "encryption-needed"
    PASSWORD_NEEDED = "password-needed"
    WRONG_PASSWORD = "wrong-password"
    BANNED = "banned"
    BUSY = "busy"


class LeaveReason(str, Enum):
    """List the values of ``reason`` in the header of a Logout that the server sends."""

    QUIT = "quit"
    DISCONNECTED = "disconnected"
    TIMED_OUT = "timed-out"
    TOO_SLOW = "too-slow"
    KICKED = "kicked"
    BANNED = "banned"
    REPLACED = "replaced"
    SERVER_STOPPING = "server-stopping"
    # Of a room: the user is still on the server.
    PARTED = "parted"
    REMOVED = "removed"
