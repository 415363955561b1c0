"""Run ngircd, an IRC server in C: of all peers the one whose service for users is most like ours."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.load import Login
from benchmarks.peers.peer import Peer

_CONFIG = """\
[Global]
Name = irc.bench.example
Info = bench
AdminInfo1 = bench
AdminEMail = bench@bench.example
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hello
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 16
MaxPenaltyTime = 0
PingTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""


class Ngircd(Peer):
    name = "ngircd"
    program = "ngircd"
    senders_receive = False  # users do not get their own lines
    max_content = 400  # a line has at most 512 bytes, with all that is put in front
    max_receivers = 1000  # each who joins gets a list of all users: with more, logins take minutes
    announces = True
    at_a_time = 8  # its backlog is 10; over it a connection takes a second more

    def command(self, port: int, directory: Path) -> list[str]:
        config = directory / "ngircd.conf"
        config.write_text(_CONFIG.format(port=port))
        # Started by root, it changes to the user nobody, who must read the directory.
        directory.chmod(0o755)
        program = shutil.which("ngircd") or "/usr/sbin/ngircd"
        return [program, "--nodaemon", "--config", str(config)]

    def is_installed(self) -> bool:
        return super().is_installed() or Path("/usr/sbin/ngircd").exists()

    def receiver(self, number: int) -> Login:
        return Login(_register(f"user{number}") + b"JOIN #chat\r\n", b" 366 ")

    def sender(self, number: int) -> Login:
        # From outside the channel: a member's lines would go to the other senders too.
        return Login(_register(f"sender{number:04}"), b" 376 ")

    def message(self, content: bytes) -> bytes:
        return b"PRIVMSG #chat :" + content + b"\r\n"

    def user(self, number: int) -> Login:
        return Login(_register(_name(number)), b" 376 ")

    def private_message(self, number: int, content: bytes) -> bytes:
        return b"PRIVMSG " + _name(number).encode() + b" :" + content + b"\r\n"


def _register(name: str) -> bytes:
    return f"NICK {name}\r\nUSER {name} 0 * :{name}\r\n".encode()


def _name(number: int) -> str:
    return f"user{number:06}"
