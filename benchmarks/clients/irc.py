"""Run irssi and WeeChat, popular IRC clients in C."""

from __future__ import annotations

from pathlib import Path

from benchmarks.clients.client import Client
from benchmarks.clients.hosts import OWN_NAME, Host, IrcHost
from benchmarks.clients.stage import Stage


class Irssi(Client):
    """Run irssi with its defaults. It keeps the lines of a day, and watches how much everyone says."""

    name = "irssi"
    program = "irssi"
    settings = ""

    def host(self) -> Host:
        return IrcHost()

    def command(self, port: int, directory: Path) -> list[str]:
        (directory / "startup").write_text(self.settings)
        return [
            self.program,
            f"--home={directory}",
            "--connect=127.0.0.1",
            f"--port={port}",
            f"--nick={OWN_NAME}",
        ]

    def first_words(self, port: int) -> bytes:
        return b"(status)"

    def enter(self, stage: Stage) -> None:
        stage.wait_for_text(IrcHost.GREETING.encode())
        # irssi does not show a channel that it joins by itself.
        stage.type(f"/join {IrcHost.CHANNEL}\r".encode())
        super().enter(stage)


class LenientIrssi(Irssi):
    """Run irssi without its protection against floods, which counts everyone's recent lines at each line."""

    name = "irssi-lenient"
    settings = "set flood_timecheck 0\n"

    def version(self) -> str:
        return f"{super().version()}, {self.settings.strip()}"


class Weechat(Client):
    """Run WeeChat with all the plugins that it comes with."""

    name = "weechat"
    program = "weechat"

    def host(self) -> Host:
        return IrcHost()

    def command(self, port: int, directory: Path) -> list[str]:
        commands = (
            # WeeChat writes a log unless told not to; our client does not unless told to.
            "/set logger.file.auto_log off",
            # By default WeeChat keeps 4,096 lines; our client and irssi keep all.
            "/set weechat.history.max_buffer_lines_number 50000",
            "/set irc.server_default.tls off",  # as WeeChat calls it from 4.0 on; before, off is the default
            f"/set irc.server_default.nicks {OWN_NAME}",
            f"/server add bench 127.0.0.1/{port} -autojoin={IrcHost.CHANNEL}",
            "/connect bench",
        )
        words = (word for command in commands for word in ("--run-command", command))
        return [self.program, f"--dir={directory}", *words]

    def first_words(self, port: int) -> bytes:
        return b"bench"  # as the status line names the server
