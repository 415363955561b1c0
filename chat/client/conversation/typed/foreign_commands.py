"""Know the commands of other chat programs, and our commands that mean the same, or what to do instead."""

from __future__ import annotations

from collections.abc import Collection

# Our command -> the names that other programs give it. Suggested, never executed.
_MEANINGS = {
    "msg": "tell whisper dm t m privmsg privatemessage message notice",
    "reply": "r answer respond",
    "me": "action emote em do act",
    "file": "send upload attach dcc sendfile put share",
    "image": "img photo picture pic screenshot",
    "voice": "record audio memo",
    "get": "download fetch accept receive dccget",
    "transfers": "downloads uploads attachments queue",
    "cancel": "abort stop",
    "open": "view show xdg-open",
    "who": "users ls online list-users people here whowas members",
    "whois": "wi info finger profile user",
    "join": "enter goto channel switch create cycle",
    "rooms": "channels chans roomlist",
    "topic": "title subject",
    "remove": "uninvite",
    "names": "nicklist userlist roster buddylist",
    "query": "chat private window",
    "close": "wc unquery closeview",
    "ignore": "hide squelch silence",
    "unignore": "unhide unsquelch unsilence",
    "history": "scrollback backlog buffer playback",
    "search": "find grep lastlog",
    "clear": "cls reset",
    "save": "export dump",
    "log": "logging logger",
    "bell": "beep sound notifications",
    "reconnect": "connect server",
    "register": "identify nickserv ns login auth account signup",
    "passwd": "password pass setpass changepassword",
    "kick": "boot expel k",
    "ban": "kickban kb bankick akill kline gline",
    "unban": "pardon",
    "bans": "banlist banned",
    "mute": "quiet shutup gag devoice",
    "unmute": "unquiet ungag",
    "keys": "bind keybindings shortcuts hotkeys",
    "help": "commands man usage h ?",
    "quit": "bye logout signoff disconnect die x",
}
_OURS = {theirs: ours for ours, names in _MEANINGS.items() for theirs in names.split()}

_STATUS = "There is no such status. Say it to everyone: /me is away."
_MODERATORS = (
    "The operator of the server appoints moderators: chat-server users moderator NAME. /room owner NAME makes another "
    "owner of a room."
)
_SERVER = "One client speaks to one server. For another one, start another client with --address."
# What we do not have at all -> what to do instead.
_INSTEAD = {
    **dict.fromkeys(("away", "back", "afk", "brb", "status", "dnd"), _STATUS),
    **dict.fromkeys(("op", "deop", "oper", "admin", "promote", "mod", "hop", "mode"), _MODERATORS),
    **dict.fromkeys(("network", "networks", "servers"), _SERVER),
    "say": "A text without a command goes to everyone in the room. // starts a text with a slash.",
    "react": "There are no reactions; answer with a text.",
    "edit": "A text that was sent can't be changed; send a better one.",
    "delete": "A text that was sent can't be taken back.",
    "thread": "There are no threads; name the user whom you answer.",
    "set": "Settings are options of the program and of its file of settings: chat-client --help.",
    "theme": "Settings are options of the program and of its file of settings: chat-client --help.",
    "alias": "Commands can't be renamed here. /help lists them.",
    "ping": "The client checks the connection by itself, and tells you when an answer is missing.",
}
_NICK = "A name is fixed while you are connected. "
_NICKS = ("nick", "name", "rename", "setnick")

# Users of other programs type a password after these. The screen neither shows nor keeps it.
_WITH_PASSWORD = frozenset({"register", "passwd", "oper", *_MEANINGS["register"].split()}) | {
    *_MEANINGS["passwd"].split()
}


def meaning(name: str) -> str | None:
    """Return our command that means what ``name`` means in other programs; None if there is none."""
    return _OURS.get(name.lower())


def instead_of(name: str, known: Collection[str]) -> str | None:
    """Return what to do instead of the command ``name``, as sentences; None if other programs have no such command.

    ``known`` are the commands that work here.
    """
    if "/" in name:
        return "To send the file at this path, type /file before it. // starts a text with a slash."
    if name.lower() not in _NICKS:
        return _INSTEAD.get(name.lower())
    if "reconnect" in known:
        return f"{_NICK}/reconnect NAME connects again under another name."
    return f"{_NICK}Leave with /quit, and start again with --username=NAME."


def carries_password(name: str) -> bool:
    """Return whether users of other programs type a password after the command ``name``."""
    return name.lower() in _WITH_PASSWORD
