"""What all connections of a server share is one and the same, and under its settings."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from chat import __version__
from chat.protocol.descriptor import MessageType
from chat.protocol.headers import ClientHeader
from chat.server.services import SOFTWARE, make_services
from chat.server.settings import Settings
from tests.server.fakes import FakeMember, run_ready_greenlets


def test_each_limit_is_the_one_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(
        max_spool=1000,
        spool_directory=tmp_path,
        max_backlog=200,
        max_backlog_total=500,
        max_per_address=3,
        exempt=(ip_network("192.0.2.0/24"),),
    )

    services = make_services(settings)

    assert (services.spool.max_size, services.spool.directory) == (1000, tmp_path)
    assert (services.backlogs.per_user, services.backlogs.total) == (200, 500)
    for host in ("198.51.100.1", "192.0.2.1") * 4:
        services.addresses.enter(host)
    assert services.addresses.exceeded_by("198.51.100.1") == 1
    assert services.addresses.exceeded_by("192.0.2.1") == 0


def test_room_delivery_shelf_and_spool_belong_together(tmp_path: Path) -> None:
    services = make_services(Settings(spool_directory=tmp_path, max_spool=400))
    alice = FakeMember("alice", inline=0)
    services.room.join(alice)
    for _ in range(5):  # more than the space holds: the shelf makes room in the spool
        content = services.spool.reserve("alice", 100, lambda: None)
        content.append(memoryview(b"x" * 100))
        services.room.say(alice, MessageType.FILE, content, ClientHeader())
        content.release()
    services.delivery.flush()
    run_ready_greenlets()

    assert len(services.shelf) == 1
    assert services.shelf.find(alice.headers[-1]["id"], alice.serial)
    services.shelf.clear()
    assert services.spool.used == 0


def test_the_server_says_what_it_is() -> None:
    assert f"chat/{__version__}" == SOFTWARE
