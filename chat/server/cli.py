"""A chat room over TCP: texts, files, images and voice.

Usage:
  chat-server [options]
  chat-server users (--help | add | remove | list | passwd | moderator) ...
  chat-server bans (--help | add | remove | list) ...
  chat-server (-h | --help)
  chat-server --version

Where:
  --address=<address>          HOST:PORT, [IPv6]:PORT, :PORT for all interfaces, or unix:PATH
                               (default: 127.0.0.1:8080)
  --data-directory=<path>      where accounts, bans and the server's own certificate are kept
                               (default: chat-server where your system keeps the data of users,
                               such as ~/.local/share; under systemd, its StateDirectory)
  --spool-directory=<path>     where large contents are kept for a while (default: /var/tmp)

Encryption:
  --tls=<mode>                 off; optional: with those who begin so, on the same port; required:
                               who does not is refused (default: optional)
  --tls-cert=<file>            a certificate and its chain, in PEM; by default the server makes one
                               at its first start, and tells its fingerprint at each
  --tls-key=<file>             the key of that, without a passphrase

Who, and how many:
  --members-only               only those who have an account
  --password-file=<file>       everyone must know the password in its first line
  --no-register                accounts are made by chat-server users, not by guests themselves
  --max-users=<n>              users at once (default: 10000)
  --max-per-address=<n>        connections of one address: IPv4, or IPv6 /64 (default: 64)
  --max-connects=<n>           new connections of one address in a minute (default: 300)
  --max-logins=<n>             tries to log in that fail, of one address in a minute (default: 60)
  --exempt=<networks>          addresses that limits by address don't touch, with commas between;
                               unix sockets never count (default: 127.0.0.0/8,::1)
  --proxy=<networks>           proxies: from there a header of the PROXY protocol, version 1 or 2,
                               comes first, and the address in it is believed
  --login-timeout=<seconds>    time to log in, for all of at most 5 tries (default: 30)
  --motd=<file>                words of welcome

How much (sizes take K, M, G: powers of 1024):
  --max-text=<size>            a text (default: 64K)
  --max-file=<size>            a file, an image, a voice note (default: 1G)
  --max-spool=<size>           temporary space in all, a quarter of it for one user (default: 10G)
  --max-backlog=<size>         what may wait for one slow reader; more closes him (default: 8M)
  --max-backlog-total=<size>   the same for all together; the largest goes first (default: 1G)

How fast (rates delay, they never drop):
  --rate=<rate>                one user's messages: so many a second, after a burst; an attachment
                               counts as one for each 2M begun; 0: no limit to this and the next
                               (default: 50/200)
  --byte-rate=<rate>           the bytes of his texts (default: 256K/1M)

Other:
  --metrics-address=<address>  where Prometheus finds /metrics, and a watchdog /healthz, over HTTP;
                               not there by default. Needs the extra "metrics"
  --log-level=<level>          debug, info, warning or error (default: info)
  --config=<file>              a file of settings: TOML, with the names of these options as keys
  --check                      read all of this, say what is wrong or that all is well, and end
  -h --help                    show this
  --version                    show the version

Settings: in the file, address = ":8080", max-users = 500, members-only = true, rate = "50/200" and
exempt = ["10.0.0.0/8"] are what they are on the command line, which wins over the file.

Signals: SIGTERM and SIGINT stop it: everyone is told, and what is queued goes out, for up to 10
seconds. A second one ends it at once. SIGHUP makes it read its certificate again.

Exit status: 0; 1 if it cannot listen; 2 for an unusable option.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chat import __version__
from chat.config.command_line import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    parse_options,
    report,
)
from chat.process.loading import loading
from chat.process.signals import STOPPING, interruptible, release

if TYPE_CHECKING:
    from chat.server.config.options import Config

PROGRAM = "chat-server"
STDERR = 2


def main(argv: list[str] | None = None) -> int:
    """Run the server until it is told to stop; the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] in (["bans"], ["users"]):
        release()
    if arguments[:1] == ["bans"]:
        with loading():
            from chat.server.moderation import cli as bans_cli

        return bans_cli.main(arguments)
    if arguments[:1] == ["users"]:
        with loading():
            from chat.server.accounts import cli as users_cli

        return users_cli.main(arguments)
    try:
        options = parse_options(__doc__ or "", argv, f"{PROGRAM} {__version__}")
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    if options["--check"]:
        release()
    return _follow(options)


def _follow(options: dict[str, Any]) -> int:
    # Only now: all of the server takes a while to import, and who asks for help need not wait for it.
    with loading():
        from chat.server.config.options import ConfigErrors, read_config

    try:
        with interruptible(STOPPING):
            config = read_config(options)
    except KeyboardInterrupt:
        if options["--check"]:
            raise  # a command like any other
        return EXIT_OK  # told to stop before there was anything to stop
    except ConfigErrors as config_errors:
        for problem in config_errors.problems:
            report(PROGRAM, problem)
        return EXIT_USAGE
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    if options["--check"]:
        for warning in config.warnings:
            report(PROGRAM, f"warning: {warning}")
        print(f"{PROGRAM}: all is well")
        return EXIT_OK
    return _serve(config)


def _serve(config: Config) -> int:
    with loading():
        import logging

        from chat.server.process.log_output import logging_to
        from chat.server.program import CannotStart, run

    log = logging.getLogger("chat.server")
    with logging_to(STDERR, config.log_level):
        for warning in config.warnings:
            log.warning(warning)
        try:
            return run(config.settings)
        except CannotStart as problem:
            report(PROGRAM, str(problem))
        except Exception:
            # Here, not by the interpreter: that would wait for whoever reads the log.
            log.exception("the server failed")
        return EXIT_FAILED


if __name__ == "__main__":
    from chat.start import server

    sys.exit(server())
