"""The slash commands of a line of input: one registry for all frontends.

Parsing a line only makes a request (``chat.client.conversation.requests``). The conversation carries the request out.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto
from functools import partial
from typing import Any, NamedTuple

from chat.client.conversation.requests import (
    AboutServer,
    AskServer,
    Cancel,
    ChangePassword,
    ClearLog,
    CloseView,
    DropLine,
    FollowLog,
    Get,
    Help,
    Highlight,
    Ignore,
    ListFiles,
    ListMentions,
    ListTransfers,
    OpenFile,
    OpenView,
    Quit,
    Reconnect,
    Register,
    Request,
    RequestError,
    Say,
    SayAgain,
    SearchLog,
    SetBell,
    SetMouse,
    SetRaw,
    ShowBareView,
    ShowKeys,
    ToggleNames,
    ToggleSidebar,
    Unignore,
    WhoIs,
)
from chat.client.conversation.room_requests import InviteUser, RemoveUser
from chat.client.conversation.typed.arguments import (
    parse_ban,
    parse_copy,
    parse_file,
    parse_history,
    parse_kick,
    parse_mute,
    parse_save,
    parse_target,
)
from chat.client.conversation.typed.foreign_commands import carries_password, instead_of, meaning
from chat.client.conversation.typed.room_arguments import (
    NO_TOPIC,
    parse_join,
    parse_notify,
    parse_part,
    parse_room,
    parse_rooms,
    parse_topic,
    parse_who,
)
from chat.client.conversation.typed.short_arguments import (
    parse_action,
    parse_message,
    parse_name,
    parse_nothing,
    parse_number,
    parse_optional_name,
    parse_presence,
    parse_reply,
    parse_switch,
    parse_unhighlight,
)
from chat.protocol.commands import Command as ServerCommand
from chat.protocol.commands import Verb
from chat.protocol.descriptor import MessageType

_ELSEWHERE = "works only on the full screen, not with --plain"


class Availability(Flag):
    """The frontends in which a command makes sense."""

    PLAIN = auto()
    SCREEN = auto()
    EVERYWHERE = PLAIN | SCREEN


class SlashCommand(NamedTuple):
    """One command. ``parse`` makes a request of the stripped text after the name, or raises RequestError.

    ``aliases`` are further names, which users know from other programs. ``detail`` continues the help where one asks
    about this command alone.
    """

    name: str
    arguments: str
    help: str
    parse: Callable[[str], Request]
    where: Availability = Availability.EVERYWHERE
    aliases: tuple[str, ...] = ()
    detail: str = ""

    @property
    def explanation(self) -> str:
        """The help, with the other names of the command."""
        others = ", ".join(f"/{name}" for name in self.aliases)
        return f"{self.help} (or {others})" if others else self.help

    @property
    def usage(self) -> str:
        """The command as typed, with its arguments."""
        return f"/{self.name} {self.arguments}".rstrip()


def parse_line(line: str, where: Availability) -> Request:
    """Return the request in a line of input: a command, or a text to everyone.

    ``//`` starts a text with a slash. Raises RequestError: an unknown command never becomes a text. Blanks before a
    slash are ignored, because a slip must not send a private message to everyone.
    """
    if not line.lstrip().startswith("/"):
        return Say(line)
    line = line.lstrip()
    if line.startswith("//"):
        return Say(line[1:])
    name, _, rest = line[1:].partition(" ")
    command = find(name.strip(), where)
    return command.parse(rest.strip())


def shown_line(line: str) -> str:
    """Return ``line`` as it may be shown and kept: without what users of other programs type as a password."""
    name, *rest = line.split(maxsplit=1)
    return name if rest and name[0] == "/" and carries_password(name[1:]) else line


def find(name: str, where: Availability) -> SlashCommand:
    """Return the command ``name``, in upper or lower case. Raises RequestError that says what to type instead."""
    command = _BY_NAME.get(name.lower())
    if command is not None and command.where & where:
        return command
    if command is not None:
        raise RequestError(f"/{name} {_ELSEWHERE}.")
    raise RequestError(f"Unknown command /{name}{_suggestion(name, where)}")


def help_lines(topic: str | None, where: Availability) -> list[str]:
    """Return lines with usage and help of every command, or of the command ``topic``. Raises RequestError."""
    commands = [c for c in COMMANDS if c.where & where] if topic is None else [find(topic, where)]
    width = max(len(command.usage) for command in commands)
    if topic is not None:
        return [f"{command.usage}  {command.explanation}{command.detail}" for command in commands]
    return [f"{command.usage:<{width}}  {command.explanation}" for command in commands]


def _suggestion(name: str, where: Availability) -> str:
    """Return the rest of a sentence about the unknown command ``name``: by its meaning, else by its spelling."""
    known = {command.name for command in COMMANDS if command.where & where}
    if meant := meaning(name):
        if meant in known:
            return _did_you_mean(meant)
        if meant in _BY_NAME:
            return f"; did you mean /{meant}? It {_ELSEWHERE}."
    if advice := instead_of(name, known):
        return f". {advice}"

    from difflib import get_close_matches  # takes a while to import, for a rare mistake

    nearest = get_close_matches(name.lower(), sorted(known), n=1)
    if nearest:
        return _did_you_mean(nearest[0])
    return " (/help lists them; // starts a text with a slash)."


def _did_you_mean(name: str) -> str:
    return f"; did you mean /{name}? (// starts a text with a slash)."


def _ask(verb: Verb) -> Request:
    return AskServer(ServerCommand(verb))


# A path stands to the end of the line, so blanks need no quotes; a shell's are understood all the same.
_PATHS = (
    ". PATH may contain blanks and needs no quotes; a path quoted as for a shell, or dropped on the"
    " terminal, works too"
)


# What a search understands beside words.
_SEARCHES = (
    ", by parts of words; also from:NAME, in:ROOM, before:2026-11-20, after:2026-11-20 (that day and later), and"
    " has:file, image, voice or link"
)


# The settings of a room, for the help.
_ROOM_SETTINGS = (
    ": kind open, closed (for invited users) or announcements (owners write); history invited or all (messages of a "
    "closed room that its members may read); keep 30d, or server (how long messages are kept); owner NAME (another "
    "owner)"
)


def _file_command(name: str, kind: MessageType, help: str) -> SlashCommand:
    parse = partial(parse_file, kind=kind, name=name)
    return SlashCommand(name, "PATH [--to NAME]", help, parse, detail=_PATHS)


def _bare_command(
    name: str,
    make: Callable[[], Request],
    help: str,
    where: Availability = Availability.EVERYWHERE,
    aliases: tuple[str, ...] = (),
) -> SlashCommand:
    parse = partial(parse_nothing, make=make, name=name)
    return SlashCommand(name, "", help, parse, where, aliases)


def _number_command(
    name: str,
    make: Callable[[int | None], Request],
    help: str,
    where: Availability = Availability.EVERYWHERE,
) -> SlashCommand:
    return SlashCommand(name, "[N]", help, partial(parse_number, make=make, name=name), where)


def _name_command(name: str, make: Callable[[str], Request], help: str) -> SlashCommand:
    return SlashCommand(name, "NAME", help, partial(parse_name, make=make, name=name))


def _doubt_command(name: str, make: type[SayAgain | DropLine], help: str) -> SlashCommand:
    return _number_command(name, lambda number: make(number=number), help)


def _screen_command(
    name: str, arguments: str, make: Callable[[Any], Request], help: str
) -> SlashCommand:
    """Make a command of the screen whose ``arguments`` are a name, an optional name, or a switch."""
    parse = {
        "NAME": parse_name,
        "[NAME]": parse_optional_name,
        "[on|off]": parse_switch,
    }[arguments]
    return SlashCommand(
        name, arguments, help, partial(parse, make=make, name=name), Availability.SCREEN
    )


def _about(verb: Verb, what: str, help: str) -> SlashCommand:
    """Make a command that the server executes, with the one argument ``what``."""
    return SlashCommand(verb.value, what, help, partial(parse_target, verb=verb, what=what))


COMMANDS: tuple[SlashCommand, ...] = (
    SlashCommand("msg", "NAME TEXT", "send a text to one user", parse_message, aliases=("w", "pm")),
    SlashCommand("reply", "TEXT", "answer the last private message", parse_reply),
    SlashCommand("me", "TEXT", "say what you do: /me waves", parse_action),
    _file_command("file", MessageType.FILE, "send a file, or a directory as a tar"),
    _file_command("image", MessageType.IMAGE, "send a picture"),
    _file_command("voice", MessageType.VOICE, "send a recording"),
    _doubt_command("again", SayAgain, "say a line again that was perhaps said"),
    _doubt_command("drop", DropLine, "forget a line that was perhaps said"),
    _number_command("get", Get, "save attachment N, or the only one"),
    _bare_command("transfers", ListTransfers, "list attachments and their progress"),
    SlashCommand("files", "[WORDS]", "list files that can be saved", lambda rest: ListFiles(rest)),
    _number_command("cancel", Cancel, "cancel transfer N, or the only one"),
    _number_command("open", OpenFile, "open attachment N, or the only one"),
    _bare_command(
        "bare", ShowBareView, "the log alone, to copy; typing ends it", Availability.SCREEN
    ),
    SlashCommand("copy", "[N]", "copy the last message, or the N-th last", parse_copy),
    SlashCommand("join", "ROOM", "join a room, or make it", parse_join, aliases=("j",)),
    SlashCommand("part", "[ROOM]", "leave this room, or another", parse_part, aliases=("leave",)),
    SlashCommand("rooms", "[PREFIX]", "list the rooms", parse_rooms, aliases=("list",)),
    SlashCommand(
        "topic",
        "[TEXT]",
        "show or set what the room is about",
        parse_topic,
        detail=f"; /topic {NO_TOPIC} removes the topic. Only owners of the room set it",
    ),
    _name_command("invite", InviteUser, "invite a user to the room (owners)"),
    _name_command("remove", RemoveUser, "take a user out of the room (owners)"),
    SlashCommand(
        "notify",
        "[all|mentions|none]",
        "choose how loud this room is",
        parse_notify,
        Availability.SCREEN,
    ),
    SlashCommand(
        "room",
        "[SETTING VALUE]",
        "show or change the room (owners)",
        parse_room,
        detail=_ROOM_SETTINGS,
    ),
    SlashCommand("who", "[PREFIX]", "list the users in the room", parse_who),
    _name_command("whois", WhoIs, "say if a user is here, registered"),
    _bare_command("where", AboutServer, "tell which server you are at"),
    SlashCommand("presence", "[all|smart|none]", "joins and leaves to show", parse_presence),
    _bare_command("names", ToggleNames, "show or hide the column of names", Availability.SCREEN),
    _bare_command("sidebar", ToggleSidebar, "show or hide the list of views", Availability.SCREEN),
    _screen_command("query", "NAME", OpenView, "talk to one user in a separate view"),
    _bare_command("close", CloseView, "close this view", Availability.SCREEN),
    SlashCommand(
        "ignore",
        "[NAME]",
        "hide a user, or *-bot; no NAME: list",
        partial(parse_optional_name, make=Ignore, name="ignore"),
    ),
    _name_command("unignore", Unignore, "show a user's messages again"),
    SlashCommand(
        "highlight", "[WORD]", "treat a word like your name", lambda rest: Highlight(rest or None)
    ),
    SlashCommand("unhighlight", "WORD", "undo /highlight", parse_unhighlight),
    _bare_command("mentions", ListMentions, "list what mentioned you"),
    SlashCommand(
        "history",
        "[N|DATE]",
        "show N more earlier messages, or a day",
        parse_history,
        detail=(
            ": /history 200, /history 2026-11-20, /history 2026-11-20 14:30; in lines also"
            " /history #2, around the second match of the last /search"
        ),
    ),
    SlashCommand(
        "search",
        "[WORDS]",
        "find messages",
        lambda rest: SearchLog(rest or None),
        detail=_SEARCHES,
    ),
    _bare_command("clear", ClearLog, "clear the log on the screen", Availability.SCREEN),
    SlashCommand("save", "FILE", "save the log as text", parse_save, Availability.SCREEN),
    _screen_command("log", "[on|off]", FollowLog, "append new lines of the log to a file"),
    _screen_command("bell", "[on|off]", SetBell, "ring for mentions and private messages"),
    _screen_command("mouse", "[on|off]", SetMouse, "take the mouse, or give it back"),
    _screen_command("raw", "[on|off]", SetRaw, "show texts without styles, or with them"),
    SlashCommand(
        "reconnect",
        "[NAME]",
        "connect again now, or as another user",
        partial(parse_optional_name, make=Reconnect, name="reconnect"),
    ),
    _about(Verb.BLOCK, "NAME", "have the server refuse a user's messages"),
    _about(Verb.UNBLOCK, "NAME", "take private messages of a user again"),
    _bare_command("blocks", partial(_ask, Verb.BLOCKS), "list the users whom you block"),
    _bare_command("devices", partial(_ask, Verb.DEVICES), "list the devices of your account"),
    _about(Verb.FORGET, "NAME", "have a device ask for the password"),
    _bare_command("register", Register, "protect your name with a password"),
    _bare_command("passwd", ChangePassword, "change your password"),
    SlashCommand("kick", "NAME [REASON]", "kick a user (moderators only)", parse_kick),
    SlashCommand("ban", "NAME [FOR] [REASON]", "ban a name or address, FOR 30m, 7d", parse_ban),
    _about(Verb.UNBAN, "NAME|ADDRESS", "lift a ban"),
    _bare_command("bans", partial(_ask, Verb.BANS), "list bans"),
    SlashCommand("mute", "NAME [FOR]", "mute a user: they can read, not write", parse_mute),
    _about(Verb.UNMUTE, "NAME", "let a muted user write again"),
    _bare_command("keys", ShowKeys, "explain the keys", Availability.SCREEN),
    SlashCommand(
        "help",
        "[COMMAND]",
        "explain the commands, or one of them",
        lambda rest: Help(rest.removeprefix("/") or None),
    ),
    _bare_command("quit", Quit, "leave", aliases=("q", "exit")),
)
_BY_NAME = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
