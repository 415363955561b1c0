"""Serve a chat room over TCP: texts, files, images and voice notes.

Usage:
  chat-server [options]
  chat-server users (--help | add | remove | list | passwd | moderator) ...
  chat-server history (--help | export | import | stats | check | backup | restore | purge) ...
  chat-server bans (--help | add | remove | list) ...
  chat-server rooms (--help | add | remove | list | set) ...
  chat-server cluster (--help | status | init | leave) ...
  chat-server (status | say | drain) ...
  chat-server (-h | --help)
  chat-server --version

Addresses and directories:
  --address=<address>          HOST or HOST:PORT, [IPv6]:PORT, PORT on 127.0.0.1, :PORT for all
                               interfaces, or unix:PATH; the port is 8080 if only a host is given
                               (default: 127.0.0.1:8080)
  --data-directory=<directory>
                               directory of the accounts, the bans and the server's own certificate
                               (default: chat-server in your system's directory for user data,
                               such as ~/.local/share; under systemd, the StateDirectory)
  --spool-directory=<directory>
                               directory of large contents, kept for a limited time, in files
                               without a name (default: /var/tmp)

Encryption:
  --tls=<mode>                 encryption of connections: off; optional: TLS and plain text on the
                               same port; required: plain connections are refused
                               (default: optional)
  --tls-cert=<file>            certificate with its chain, in PEM; without this option the server
                               makes a certificate at its first start, and logs its fingerprint
  --tls-key=<file>             key of the certificate, without a passphrase

Users and limits:
  --members-only               let in only users who have an account
  --password-file=<file>       everyone must give the password in the first line of this file
  --no-register                guests can't create accounts; only "chat-server users" can
  --max-users=<n>              users in the room at the same time (default: 10000)
  --max-sessions=<n>           devices of a registered user at the same time (default: 8); a further
                               one ends the session that has said nothing for longest
  --max-per-address=<n>        connections of one address: IPv4, or IPv6 /64 (default: 64)
  --max-connects=<n>           new connections of one address in a minute (default: 300)
  --max-logins=<n>             failed logins of one address in a minute (default: 60)
  --exempt=<networks>          networks without limits per address, separated by commas; unix
                               sockets never have such limits (default: 127.0.0.0/8,::1)
  --proxy=<networks>           proxies: connections from there must begin with a PROXY header,
                               version 1 or 2, and the server believes the address in it
  --login-timeout=<seconds>    time to log in, for at most 5 attempts together (default: 30)
  --motd=<file>                file with the welcome text

Rooms (everyone is in the default room; clients that know rooms can be in others, too):
  --default-room=<name>        name of the default room (default: lobby)
  --create-rooms=<who>         anyone, registered or moderators may make rooms (default: anyone)
  --max-rooms=<n>              rooms beside that one (default: 1000); a room that has no owner goes
                               when it has been empty for a day
  --announce-up-to=<n>         in a room with more users, joins and leaves are told as a count
                               (default: 1000)

History (messages are kept in the data directory, readable by the operator):
  --history=<mode>             on: keep messages on disk; off: keep none (default: on)
  --durable                    users hear a message only when the disk has it, so that no crash and
                               no power loss takes back what was said; costs a sync of the disk
  --keep=<time>                how long: a number with m, h, d or w, or "forever" (default: 30d)
  --keep-size=<size>           how much; the oldest messages go first (default: 1G)
  --keep-files=<size>          how much of files, images and voice notes over 64K; the oldest go
                               first, and one user gets at most half of it; 0: none (default: 2G)
  --replay=<n>                 last messages for users whose client cannot ask for them, at most 200
                               (default: 50)
  --search=<mode>              on: users can search; the index takes two or three times the space
                               of the messages; off: no search, no index (default: on)

Several servers for one chat (docs/cluster.md says how; needs the extra "cluster"):
  --cluster=<url>              engine that has the log of all servers: redis:// or rediss:// (TLS)
                               with [USER@]HOST[:PORT][/PREFIX], or redis+sentinel:// with
                               [USER@]HOST[:PORT][,HOST...]/SERVICE[/PREFIX]; then
                               ?password-file=FILE&replicas=N and other options; needs history
                               and a secret for the servers (below)
  --node=<name>                name of this server in the cluster (default: the first label of the
                               host name)
  --public-address=<addresses>
                               where clients of the other servers can reach this one, separated by
                               commas
  --peer-listen=<address>      address for connections of the other servers (default: :8090)
  --peer-address=<address>     how the other servers reach this one (default: the address above,
                               with the host name if it has no host)
  --peer-secret-file=<file>    the first line of this file is a secret that all servers of the
                               cluster share

Sizes (K, M and G are powers of 1024):
  --max-text=<size>            largest text (default: 64K)
  --max-file=<size>            largest file, image or voice note (default: 1G)
  --max-spool=<size>           total space in the spool directory; one user gets at most a quarter
                               of it (default: 10G)
  --max-backlog=<size>         queued bytes for one slow reader; beyond that the server disconnects
                               the reader (default: 8M)
  --max-backlog-total=<size>   queued bytes for all slow readers; beyond that the server
                               disconnects the slowest first (default: 1G)

Rates (the server delays messages above a rate, and never drops them):
  --rate=<rate>                messages of one user: RATE/BURST is so many a second after a burst;
                               an attachment counts as one message for each 2 MiB begun; 0: no
                               limit for messages and bytes (default: 50/200)
  --byte-rate=<rate>           bytes in the texts of one user (default: 256K/1M)

Other:
  --metrics-address=<address>  serve /metrics for Prometheus and /healthz over HTTP on this address;
                               not served by default; needs the extra "metrics"
  --log-level=<level>          debug, info, warning or error (default: info)
  --config=<file>              settings file: TOML, with the names of these options as keys
  --check                      check all settings, print each mistake, and exit
  --completion=<shell>         print the completion script for bash, zsh or fish:
                               eval "$(chat-server --completion=bash)"
  -h --help                    show this help
  --version                    show the version

Settings: in the file, address = ":8080", max-users = 500, members-only = true, rate = "50/200" and
exempt = ["10.0.0.0/8"] mean what they mean on the command line. The command line overrides the
file.

Signals: SIGTERM and SIGINT stop the server. It tells all users, and sends queued messages for up to
10 seconds. A second signal ends it at once. SIGHUP makes the server read its settings again,
with the files that they name, such as the welcome text and the certificate. The log names what
needs a restart. A mistake in any of them changes nothing.

Running server: "chat-server status" shows the server, and "chat-server say" announces a text to
everyone in the room. "chat-server backup" copies all that the server keeps. "chat-server cluster
status" shows how a server stands to its cluster, and "chat-server drain" moves its users to the
other servers and stops it. Their --help says more.

Exit status: 0: success; 1: the server could not start, or failed; 2: an option is unusable, or the
data do not fit the cluster.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
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
from chat.config.options import SHELLS, read_choice
from chat.process.loading import loading
from chat.process.signals import STOPPING, interruptible, release

if TYPE_CHECKING:
    from chat.server.config.options import Config

PROGRAM = "chat-server"
# The modules of the commands; each has the usage text of its command, and a function ``main``.
COMMANDS = {
    "backup": "chat.server.backup.cli",
    "bans": "chat.server.moderation.cli",
    "cluster": "chat.server.replication.cli",
    "drain": "chat.server.replication.cli",
    "history": "chat.server.history.cli",
    "reload": "chat.server.control.cli",
    "restore": "chat.server.backup.cli",
    "rooms": "chat.server.membership.cli",
    "say": "chat.server.control.cli",
    "status": "chat.server.control.cli",
    "users": "chat.server.accounts.cli",
}
# Options of other servers, and ours that do the same.
_MEANT = {
    **dict.fromkeys(("host", "port", "bind", "listen", "interface", "socket"), "--address"),
    **dict.fromkeys(("ssl",), "--tls"),
    **dict.fromkeys(("cert", "certificate", "ssl-cert", "ssl-certfile"), "--tls-cert"),
    **dict.fromkeys(("key", "ssl-key", "ssl-keyfile"), "--tls-key"),
    **dict.fromkeys(("password", "pass"), "--password-file"),
    **dict.fromkeys(("verbose", "quiet", "debug"), "--log-level"),
}
STDERR = 2


def main(argv: list[str] | None = None) -> int:
    """Run the server until a signal stops it, or a command on accounts or bans, and return the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in COMMANDS:
        release()  # signals end a command as usual; only the server stops in good order
        return int(_module_of(arguments[0]).main(arguments))
    try:
        options = parse_options(__doc__ or "", argv, f"{PROGRAM} {__version__}", _MEANT)
        if options["--completion"] is not None:
            shell = read_choice(options["--completion"], "--completion", values=SHELLS)
            print(completion(shell), end="")
            return EXIT_OK
    except UsageError as problem:
        report(PROGRAM, str(problem))
        return EXIT_USAGE
    if options["--check"]:
        release()
    return _follow(options)


def completion(shell: str) -> str:
    """Return the completion script for one of ``SHELLS``."""
    from chat.config.completion_scripts import completion_script
    from chat.server.config.options import OPTIONS

    usages = dict.fromkeys(_module_of(name).__doc__ or "" for name in COMMANDS)
    return completion_script(shell, PROGRAM, [__doc__ or "", *usages], OPTIONS)


def _module_of(command: str) -> ModuleType:
    # Imported only here: other commands do not need it, and it takes a while.
    with loading():
        from importlib import import_module

        return import_module(COMMANDS[command])


def _follow(options: dict[str, Any]) -> int:
    # Imported only here: the server takes a while to import, and --help must not wait for that.
    with loading():
        from chat.server.config.options import ConfigErrors, read_config

    try:
        with interruptible(STOPPING):
            config = read_config(options)
    except KeyboardInterrupt:
        if options["--check"]:
            raise  # a check ends by a signal as any other command does
        return EXIT_OK  # the server has not started yet, so it has stopped in good order
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
    return _serve(config, partial(read_config, options))


def _serve(config: Config, read_again: Callable[[], Config]) -> int:
    with loading():
        import logging

        from chat.server.process.log_output import logging_to
        from chat.server.program import CannotStart, run

    log = logging.getLogger("chat.server")
    with logging_to(STDERR, config.log_level):
        for warning in config.warnings:
            log.warning(warning)
        try:
            return run(config.settings, read_again)
        except CannotStart as problem:
            report(PROGRAM, str(problem))
            return problem.status
        except Exception:
            # Not left to the interpreter, which would write to stderr itself and wait for the reader of the log.
            log.exception("the server failed")
        return EXIT_FAILED


if __name__ == "__main__":
    from chat.start import server

    sys.exit(server())
