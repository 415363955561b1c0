"""Talk in a chat room from a terminal, a script or another program.

Usage:
  chat-client --username=<username> [options]
  chat-client (-h | --help)
  chat-client --version

Where and who:
  --address=<address>           The server: HOST:PORT, [IPv6]:PORT, :PORT
                                (this machine) or unix:PATH
                                [default: 127.0.0.1:8080].
  --username=<username>         Your name in the room: letters, digits, '_',
                                '-' and '.', in any script.
  --byte-order=<order>          auto, little or big. With auto, a server that
                                only knows the original little-endian protocol
                                is found out and spoken to as it needs
                                [default: auto].

What is received:
  --save_directory=<directory>  Where files, images and voice are saved;
                                nothing that is there is ever overwritten. By
                                default the current directory.
  --save-directory=<directory>  The same, for those who like it better.
  --max-save=<size>             Larger ones only when you ask, by /get
                                [default: 100M].

How it speaks:
  --plain                       Lines in, lines out, also on a terminal.
  --json                        JSON objects, one a line, in and out: for
                                programs. See docs/json-lines.md.
  --commands                    Lines that begin with a slash are commands,
                                even if the input is no terminal. Only for
                                input you trust: a command can send any file
                                you can read.
  --listen                      Only listen: the input is not read, and the
                                client stays until it is stopped.

  -h, --help                    Show this.
  --version                     Show the version.

Each line you type is said to everyone; each message is shown on a line. On a
terminal lines that begin with a slash are commands:

@COMMANDS@

// starts a text with a slash. Ctrl-D leaves once all is sent, Ctrl-C at once.

Without a terminal each line of the input is said as it is, whatever it begins
with; blank lines are skipped, overlong ones split. At the end of the input the
client leaves once everything it sent has been answered. If the connection is
lost it comes back by itself, and says what was not said yet:

  tail -f app.log | chat-client --username=logs
  printf 'the build is done\\n' | chat-client --username=ci

Sizes take K, M and G (powers of 1024).

Exit status: 0 if all went well; 1 if the server could not be reached or
refused you, or if anything sent was refused or lost; 2 if the command line
makes no sense.
"""

from __future__ import annotations

import sys

from chat import __version__
from chat.client.commands import Where, help_lines
from chat.client.settings import PROGRAM, Settings, read_settings
from chat.command_line import EXIT_FAILED, EXIT_USAGE, UsageError, parse_options, report


def usage() -> str:
    """What ``--help`` shows and docopt reads."""
    assert __doc__ is not None, "the documentation is the command line; do not run with -OO"
    commands = "\n".join(f"  {line}" for line in help_lines(None, Where.PLAIN))
    return __doc__.replace("@COMMANDS@", commands)


def read_command_line(argv: list[str] | None = None) -> Settings:
    """Raises UsageError; SystemExit for ``--help`` and ``--version``."""
    arguments = sys.argv[1:] if argv is None else argv
    # docopt can't say what is missing, and this is what everyone forgets the first time.
    if not any(
        argument.startswith(("--user", "--help", "-h", "--version")) for argument in arguments
    ):
        raise UsageError("--username=<username> is missing: your name in the room (see --help)")
    return read_settings(parse_options(usage(), argv, f"{PROGRAM} {__version__}"))


def main(argv: list[str] | None = None) -> int:
    """Run the client to its end and return the exit status."""
    try:
        settings = read_command_line(argv)
        # Only now: it takes a while to import, and who asks for help need not wait for it.
        from chat.client.program import Program
        from chat.client.standard_streams import open_missing_streams

        open_missing_streams()
        return Program(settings).run()
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_FAILED  # before it began


if __name__ == "__main__":
    sys.exit(main())
