from __future__ import annotations

from pathlib import Path

import pytest

from chat.net.address import Address
from chat.protocol.names import parse_user_name
from chat.server.settings import Settings
from chat.server.startup_lines import startup_lines


@pytest.mark.parametrize(
    ("addresses", "line"),
    [
        (
            [Address("127.0.0.1", 8080)],
            "join with: chat-client 127.0.0.1:8080, on this machine only; --address=:8080 lets in other machines",
        ),
        (
            [Address("::", 9000), Address("0.0.0.0", 9000)],
            "join with: chat-client HOST:9000, where HOST is the name or an address of this machine",
        ),
        ([Address("::1", 8080), Address("10.0.0.5", 8080)], "join with: chat-client 10.0.0.5:8080"),
        ([Address("2001:db8::1", 8080)], "join with: chat-client [2001:db8::1]:8080"),
        ([Address(path="/run/chat")], "join on this machine with: chat-client unix:/run/chat"),
    ],
)
def test_how_people_join(addresses: list[Address], line: str) -> None:
    assert list(startup_lines(Settings(data_directory=None), addresses)) == [line]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "kept for 30 days, at most 1 GiB of them, and 2 GiB of files; --history=off keeps none"),
        ({"keep": 129600.0, "keep_size": None}, "kept for 36 hours, and 2 GiB of files; --history=off keeps none"),
        ({"keep": 3600.0, "keep_size": None}, "kept for 1 hour, and 2 GiB of files; --history=off keeps none"),
        ({"keep": None, "keep_size": None, "keep_files": 0}, "kept for ever, and no files; --history=off keeps none"),
        ({"history": False}, "not kept"),
    ],
)  # fmt: skip
def test_where_the_data_is_and_whether_messages_are_kept(
    changes: dict[str, object], line: str
) -> None:
    settings = Settings(data_directory=Path("/var/lib/chat"), **changes)  # type: ignore[arg-type]
    lines = list(startup_lines(settings, [Address("10.0.0.5", 8080)]))
    assert lines[:2] == ["the data directory is /var/lib/chat", f"messages are {line}"]


def test_the_default_room_has_another_name() -> None:
    settings = Settings(default_room=parse_user_name("Hall"))
    line, _ = startup_lines(settings, [Address("10.0.0.5", 8080)])
    assert line.startswith("the default room is called Hall; its messages stay")
