"""A server is put together under its settings, in one place that no part of it knows."""

from __future__ import annotations

import ast
from ipaddress import ip_network
from pathlib import Path

import chat.server
from chat.protocol.descriptor import MessageType
from chat.protocol.runs import Run
from chat.server.composition import Composition
from chat.server.settings import Settings
from tests.server.fakes import FakeMember, run_ready_greenlets

PACKAGE = Path(chat.server.__file__ or "").parent


def test_each_limit_is_the_one_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        max_spool=1000,
        spool_directory=tmp_path,
        max_backlog=200,
        max_backlog_total=500,
        max_per_address=3,
        exempt=(ip_network("192.0.2.0/24"),),
    )

    parts = Composition(settings)

    assert (parts.spool.max_size, parts.spool.directory) == (1000, tmp_path)
    assert (parts.backlogs.per_user, parts.backlogs.total) == (200, 500)
    for host in ("198.51.100.1", "192.0.2.1") * 4:
        parts.addresses.enter(host)
    assert parts.addresses.exceeded_by("198.51.100.1") == 1
    assert parts.addresses.exceeded_by("192.0.2.1") == 0


def test_room_delivery_offers_and_spool_belong_together(tmp_path: Path) -> None:
    parts = Composition(Settings(spool_directory=tmp_path, max_spool=400))
    alice = FakeMember("alice", inline=0)
    alice.serial = parts.directory.enter(alice)
    parts.service.join(alice)
    for _ in range(5):  # more than the space holds: the offers make room in the spool
        content = parts.spool.reserve("alice", 100, lambda: None)
        content.append(memoryview(b"x" * 100))
        parts.service.publish(
            alice, Run(MessageType.FILE, [b""], [None], content.size, large=content)
        )
        content.release()
    parts.broadcast.flush()
    run_ready_greenlets()

    assert len(parts.offers) == 1
    assert parts.offers.find(alice.headers[-1]["id"], alice.serial)
    parts.offers.clear()
    assert parts.spool.used == 0


def test_only_the_program_knows_the_composition() -> None:
    """Any part that knew it could reach for all others."""
    knowing = {
        path.name
        for path in PACKAGE.rglob("*.py")
        if "composition" in (source := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and (
            node.module == "chat.server.composition"
            or (node.module == "chat.server" and any(a.name == "composition" for a in node.names))
        )
    }
    assert knowing == {"program.py"}
