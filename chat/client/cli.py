"""Talk in a chat room from a terminal, a script or another program.

Usage:
  chat-client [options] [--address=<address>]... [--room=<name>]... [<server>]
  chat-client (-h | --help)
  chat-client --version

On a terminal the client fills the screen: messages above, your input below,
with commands (/help) and keys (/keys, F1); see docs/client.md. Without a
terminal the client is a pipe: lines in, lines out.

The server is an address, with or without your name in front:

  chat-client chat.example.org
  chat-client bob@chat.example.org:9000

Server and user:
  --address=<address>           Another way to give the server: HOST,
                                HOST:PORT, [IPv6]:PORT, PORT or :PORT (this
                                machine), or unix:PATH. The port is 8080
                                unless you give one. Give the option again for
                                each further server of the same chat: the client
                                goes to another one if a server does not answer,
                                and also to those that a server tells it of
                                (default: 127.0.0.1:8080).
  -u, --username=<username>     Your name in the room: letters, digits, '_',
                                '-' and '.', in any script. Required, except
                                for the screen, which asks for it.
  --password-file=<file>        Read your password, or the room's, from the
                                first line of this file. Without this option
                                the client asks on a terminal.
  --room=<name>                 Be in this room, too, and make it if there is
                                none; give the option again for each further
                                room. Lines of a pipe go to the first of them.
                                If no room lets you in, a pipe ends with
                                status 1. Without this option, pipes and
                                programs with --json are in the room that
                                everyone is in, and hear no other.
  --byte-order=<order>          auto, little or big. With auto, the client
                                detects a server that knows only the original
                                little-endian protocol (default: auto).

Encryption (for other machines, the client asks before it trusts a new key):
  --tls=<when>                  auto, required (on this machine too) or off
                                (default: auto).
  --fingerprint=<fingerprint>   Accept only the key with this fingerprint, as
                                the server printed it: SHA256:... The client
                                then asks nothing, so this suits scripts.
  --known-hosts=<file>          The file with the keys of known servers. By
                                default known_hosts in the directory "chat"
                                where your system keeps data, such as
                                ~/.local/share.
  --insecure                    Encrypt, but do not check the server: an
                                attacker on the way can pretend to be the
                                server, and read and change everything.

Earlier messages:
  --replay=<n>                  Show so many of the last messages of the room
                                when you come in, 0 to 200, and what was said
                                while the connection was lost; 0 shows nothing
                                old. By default 50 on a terminal. Pipes, and
                                programs with --json, get earlier messages only
                                if this option is on the command line.

Coming back (see docs/client.md):
  --state=<file>                The file in which the client keeps, over its own
                                restarts, what you have seen, which of your
                                lines have no answer, and the secret of this
                                device. By default a file for each server and
                                name, in the directory "chat" where your system
                                keeps state, such as ~/.local/state. Pipes, and
                                programs with --json, have a file only if you
                                name one.
  --no-state                    Keep nothing over restarts.
  --spool=<file>                For pipes: a state file that also has each line
                                of the input before it is sent. A client that
                                was killed goes on with the rest, and says
                                nothing twice.

Received files (sizes take K, M and G: powers of 1024):
  --save_directory=<directory>  Save files, images and voice notes in this
                                directory automatically. Existing files are
                                never overwritten. Without this option nothing
                                is saved until you ask: /get N saves attachment
                                N in the current directory.
  --save-directory=<directory>  Another spelling of --save_directory.
  --max-save=<size>             Save larger attachments only when you ask, with
                                /get (default: 100M).
  --open=<programs>             Programs that open saved files (/open), by MIME
                                type or file name: "image/*=feh; *.pdf=zathura".
                                The first that fits counts. {} in a command
                                stands for the file, which else comes last. No
                                shell runs the command. By default the desktop
                                chooses.

Filters (with --json, nothing is filtered):
  --presence=<which>            Show all joins and leaves, none, or smart: only
                                those of users who have talked in the last half
                                hour (default: all).
  --ignore=<names>              Hide messages of these users; separate names
                                with commas. * and ? stand for any characters,
                                as in "*-bot".
  --highlight=<words>           Treat messages with these words as if they had
                                your name in them; separate words with commas.

Screen:
  --bell=<on|off>               Ring the bell for private messages and for
                                messages with your name (default: on).
  --notify=<way>                Send a desktop notification for these messages
                                while the terminal has no focus: off, osc9,
                                osc777 (escape sequences that some terminals
                                know) or notify-send (default: off).
  --names=<on|off>              Start with a column of the users in the room
                                (default: off).
  --mouse=<on|off>              Take the mouse from the terminal. With off, the
                                mouse selects text as in other programs, and
                                the wheel scrolls all the same; /mouse changes
                                it (default: off).
  --raw=<on|off>                Show texts without the styles of code, emphasis
                                and quotes; /raw changes it (default: off).
  --title=<on|off>              Show the server and the number of unread
                                messages in the title of the window
                                (default: on).
  --theme=<theme>               Choose colours: auto, dark, light, colour-blind
                                or neutral. auto and colour-blind ask the
                                terminal for its background; neutral is readable
                                on any (default: auto).
  --time-format=<format>        How times are shown, also with --plain, in the
                                notation of strftime: %H:%M or %I:%M %p
                                (default: %H:%M:%S).
  --pictures=<on|off>           Show small pictures of received images
                                (default: on). Needs Pillow.
  --log=<on|off>                Append everything shown to a file
                                (default: off).
  --log-file=<file>             The file for --log. By default it is named after
                                the address, where your system keeps logs.

Input and output:
  --plain                       Lines in, lines out, also on a terminal.
  --screen                      Use the screen even if the settings file says
                                plain.
  --json                        JSON objects, one a line, in and out: for
                                programs. See docs/json-lines.md.
  --commands                    Lines that begin with a slash are commands,
                                even if the input is no terminal. Only for
                                input you trust: a command can send any file
                                you can read.
  --listen                      Only listen: do not read the input, and stay
                                until stopped.

Other:
  --config=<file>               The settings file. By default client.toml in
                                the directory "chat" where your system keeps
                                settings, such as ~/.config, if it exists.
  --completion=<shell>          Print the completion script for bash, zsh or
                                fish: eval "$(chat-client --completion=bash)"
  -h, --help                    Show this help.
  --version                     Show the version.

Settings: the file is TOML, with the names of these options as keys, such as
address = "chat.example.org:8080", max-save = "1G", bell = false, plain = true
and ignore = ["bob"]. The command line takes precedence over the file, and the
file over the defaults. In the file only, for the screen: a table [keys] binds
keys to actions, such as "Alt-N" = "next-unread", and a table [styles] changes
styles, such as mention = "bold red"; see docs/client.md. The file can't
contain --insecure, nor the options that would change the meaning of a
script: --room, --screen, --json, --commands, --listen.

Commands: each line you type goes to everyone, unless it begins with a slash.
To begin a text with a slash, type two.

@COMMANDS@

Commands for the screen only:

@SCREEN_COMMANDS@

With --plain, each message is shown on a line. Ctrl-D leaves after everything
is sent, Ctrl-C at once.

Pipes: without a terminal the client sends each line of the input unchanged,
whatever it begins with. It skips blank lines and splits long ones. At the end
of the input, the client waits until the server has answered everything, and
leaves. If the connection is lost, the client reconnects, finds out what was
said, and sends the rest. A line of which the server can't tell whether it was
said is not sent again: the client names it, and the exit status is 1.

  tail -f app.log | chat-client --username=logs
  printf 'the build is done\\n' | chat-client --username=ci
  tail -f app.log | chat-client --username=logs --room=ops

Exit status: 0 on success; 1 if the server could not be reached or refused you,
or if any message was refused or lost; 2 if the command line or the settings
file is invalid.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from chat import __version__
from chat.client.conversation.commands import COMMANDS, Availability, help_lines
from chat.client.frontends.clock import use_time_format
from chat.client.program.config_file import read_config_file
from chat.client.program.settings import OPTIONS, PROGRAM, Mode, Settings, read_settings
from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_options,
    report,
)
from chat.config.options import SHELLS, read_choice, read_path
from chat.process.loading import loading
from chat.process.signals import ENDING, interruptible

STDIN, STDOUT = 0, 1
# Options of other clients, and ours that do the same.
_MEANT = {
    **dict.fromkeys(
        ("host", "hostname", "server", "port", "connect", "url", "socket"), "--address"
    ),
    **dict.fromkeys(("nick", "nickname", "login"), "--username"),
    **dict.fromkeys(("ssl", "starttls", "encrypt"), "--tls"),
    **dict.fromkeys(("password", "pass", "passwd"), "--password-file"),
    **dict.fromkeys(("download-dir", "downloads", "output"), "--save-directory"),
}


def usage() -> str:
    """Return the help text, with the table of commands filled in. ``--help`` shows it, and docopt parses it."""
    assert __doc__ is not None, "the documentation is the command line; do not run with -OO"
    lines = help_lines(None, Availability.EVERYWHERE)
    groups: dict[bool, list[str]] = {True: [], False: []}
    for command, line in zip(COMMANDS, lines, strict=True):
        groups[bool(command.where & Availability.PLAIN)].append(f"  {line}")
    return __doc__.replace("@COMMANDS@", "\n".join(groups[True])).replace(
        "@SCREEN_COMMANDS@", "\n".join(groups[False])
    )


def read_command_line(argv: list[str] | None = None) -> Settings:
    """Read the command line and the settings file. Raises UsageError; SystemExit for ``--help`` and ``--version``."""
    return _read(parse_options(usage(), argv, f"{PROGRAM} {__version__}", _MEANT))


def completion(shell: str) -> str:
    """Return the completion script for one of ``SHELLS``."""
    from chat.config.completion_scripts import completion_script

    return completion_script(shell, PROGRAM, [usage()], OPTIONS)


def _read(options: dict[str, Any]) -> Settings:
    given = options["--config"]
    path = None if given is None else read_path(given, "--config", "a file of settings")
    return read_settings(options, read_config_file(path), _has_screen())


def _has_screen() -> bool:
    """Return whether a screen can be drawn on the terminal."""
    terminal = os.environ.get("TERM", "")
    return terminal not in ("", "dumb") and os.isatty(STDIN) and os.isatty(STDOUT)


def main(argv: list[str] | None = None) -> int:
    """Run the client to its end and return the exit status."""
    try:
        with interruptible(ENDING):
            options = parse_options(usage(), argv, f"{PROGRAM} {__version__}", _MEANT)
            if options["--completion"] is not None:
                shell = read_choice(options["--completion"], "--completion", values=SHELLS)
                print(completion(shell), end="")
                return EXIT_OK
            settings = _read(options)
        use_time_format(settings.time_format)
        # Imported only now, because it takes a while, and --help and mistakes should be answered at once.
        if settings.mode is Mode.SCREEN:
            with loading():
                from chat.client.screen.app import App

            return App(settings).run()
        with loading():
            from chat.client.program.program import Program

        return Program(settings).run()
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_FAILED  # interrupted before the client had begun


if __name__ == "__main__":
    from chat.start import client

    sys.exit(client())
