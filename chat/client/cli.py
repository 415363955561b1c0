"""Talk in a chat room from a terminal, a script or another program.

Usage:
  chat-client [options]
  chat-client (-h | --help)
  chat-client --version

On a terminal the client fills the screen: what is said above, what you type
below, with commands (/help) and keys (/keys, F1); see docs/client.md. Without
one it is a pipe: lines in, lines out.

Where and who:
  --address=<address>           The server: HOST:PORT, [IPv6]:PORT, :PORT
                                (this machine) or unix:PATH
                                (default: 127.0.0.1:8080).
  --username=<username>         Your name in the room: letters, digits, '_',
                                '-' and '.', in any script. Only the screen
                                asks for it.
  --password-file=<file>        The first line of that file is your password, or
                                the room's. On a terminal you are asked for it
                                otherwise.
  --byte-order=<order>          auto, little or big. With auto, a server that
                                only knows the original little-endian protocol
                                is found out and spoken to as it needs
                                (default: auto).

Encryption (elsewhere you are asked about new keys, and where there is none):
  --tls=<when>                  auto, required (on this machine too) or off
                                (default: auto).
  --fingerprint=<fingerprint>   The server must have the key with this
                                fingerprint, as it printed it: SHA256:...
                                What needs no question, for scripts.
  --known-hosts=<file>          Where the keys of servers are remembered. By
                                default known_hosts in the directory "chat"
                                where your system keeps data, such as
                                ~/.local/share.
  --insecure                    Encrypt, but do not check with whom: whoever is
                                on the way can pretend to be the server, and
                                read and change everything.

What is received (sizes take K, M and G: powers of 1024):
  --save_directory=<directory>  Save files, images and voice there as they
                                come. Nothing that is there is ever
                                overwritten. Without this option nothing is
                                saved until you ask for it: /get N saves
                                attachment N in the current directory.
  --save-directory=<directory>  The same, for those who like it better.
  --max-save=<size>             Larger attachments are saved only when you ask,
                                by /get (default: 100M).

The screen:
  --bell=<on|off>               Ring when somebody names you or writes to you
                                alone (default: on).
  --notify=<way>                Tell the desktop of that while the terminal has
                                no focus: off, osc9, osc777 (the two ways that
                                terminals know) or notify-send (default: off).
  --names=<on|off>              Begin with a column of who is here
                                (default: off).
  --pictures=<on|off>           Show small pictures of images that come
                                (default: on). Needs Pillow.
  --log=<on|off>                Append what is shown to a file as it goes
                                (default: off).
  --log-file=<file>             That file. By default it is named after the
                                address, where your system keeps logs.
  --ignore=<names>              Whom not to show, with commas between.

How it speaks:
  --plain                       Lines in, lines out, also on a terminal.
  --screen                      The screen even if the file of settings says
                                plain.
  --json                        JSON objects, one a line, in and out: for
                                programs. See docs/json-lines.md.
  --commands                    Lines that begin with a slash are commands,
                                even if the input is no terminal. Only for
                                input you trust: a command can send any file
                                you can read.
  --listen                      Only listen: the input is not read, and the
                                client stays until it is stopped.

Other:
  --config=<file>               The file of settings. By default client.toml in
                                the directory "chat" where your system keeps
                                settings, such as ~/.config, if there is one.
  -h, --help                    Show this.
  --version                     Show the version.

Settings: the file is TOML, with the names of these options as keys, such as
address = "chat.example.org:8080", max-save = "1G", bell = false, plain = true
and ignore = ["bob"]. The command line wins over the file, and the file over
the defaults. What would change the meaning of a script has no place in the
file: that is, --screen, --json, --commands and --listen; nor has --insecure.

Commands: each line you type is said to everyone, unless it begins with a
slash. // starts a text with a slash.

@COMMANDS@

On the screen there are also:

@SCREEN_COMMANDS@

With --plain, each message is shown on a line; Ctrl-D leaves once all is sent,
Ctrl-C at once.

Pipes: without a terminal each line of the input is said as it is, whatever it
begins with; blank lines are skipped, overlong ones split. At the end of the
input the client leaves once everything it sent has been answered. If the
connection is lost it comes back by itself, and says what was not said yet:

  tail -f app.log | chat-client --username=logs
  printf 'the build is done\\n' | chat-client --username=ci

Exit status: 0 if all went well; 1 if the server could not be reached or
refused you, or if anything sent was refused or lost; 2 if the command line
or the file of settings makes no sense.
"""

from __future__ import annotations

import os
import sys

from chat import __version__
from chat.client.conversation.commands import COMMANDS, Availability, help_lines
from chat.client.program.config_file import read_config_file
from chat.client.program.settings import PROGRAM, Mode, Settings, read_settings
from chat.config.command_line import EXIT_FAILED, EXIT_USAGE, UsageError, parse_options, report
from chat.config.options import read_path
from chat.process.loading import loading
from chat.process.signals import ENDING, interruptible

STDIN, STDOUT = 0, 1


def usage() -> str:
    """What ``--help`` shows and docopt reads."""
    assert __doc__ is not None, "the documentation is the command line; do not run with -OO"
    lines = help_lines(None, Availability.EVERYWHERE)
    groups: dict[bool, list[str]] = {True: [], False: []}
    for command, line in zip(COMMANDS, lines, strict=True):
        groups[bool(command.where & Availability.PLAIN)].append(f"  {line}")
    return __doc__.replace("@COMMANDS@", "\n".join(groups[True])).replace(
        "@SCREEN_COMMANDS@", "\n".join(groups[False])
    )


def read_command_line(argv: list[str] | None = None) -> Settings:
    """With the file of settings. Raises UsageError; SystemExit for ``--help`` and ``--version``."""
    options = parse_options(usage(), argv, f"{PROGRAM} {__version__}")
    given = options["--config"]
    path = None if given is None else read_path(given, "--config", "a file of settings")
    return read_settings(options, read_config_file(path), _has_screen())


def _has_screen() -> bool:
    """Whether there is a terminal that a screen can be drawn on."""
    terminal = os.environ.get("TERM", "")
    return terminal not in ("", "dumb") and os.isatty(STDIN) and os.isatty(STDOUT)


def main(argv: list[str] | None = None) -> int:
    """Run the client to its end and return the exit status."""
    try:
        with interruptible(ENDING):
            settings = read_command_line(argv)
        # Only now: it takes a while to import, and who asks for help need not wait for it.
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
        return EXIT_FAILED  # before it began


if __name__ == "__main__":
    from chat.start import client

    sys.exit(client())
