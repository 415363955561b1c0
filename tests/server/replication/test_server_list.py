"""Each server knows the others, and decides by facts about all of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from chat.server.log.log import Change, Entry, MemoryLog, Timestamps
from chat.server.log.operations import Operations
from chat.server.replication.server_list import SERVER, ServerList, facts_of
from chat.server.settings import Settings


def test_no_server_bans_the_proxies_of_another_one() -> None:
    log = MemoryLog(Timestamps())
    operations = Operations(log)
    servers = ServerList(operations)

    writers = ["one", "two"]

    def apply(entry: Entry) -> None:
        for change in entry.records:
            assert isinstance(change, Change)
            operations.carry_out(change, writers[entry.number - 1])

    log.follow(apply)
    proxy, office = ip_network("192.0.2.1"), ip_network("198.51.100.0/24")
    for settings in (
        replace(Settings(), exempt=(), proxies=(proxy,)),
        replace(Settings(), exempt=(office,)),
    ):
        operations.perform(SERVER, facts_of(settings, None, "", 1)._asdict())

    assert set(servers.protected()) == {proxy, office}
    again = ServerList(Operations(MemoryLog(Timestamps())))
    again.restore(servers.stored())
    assert again.protected() == servers.protected()
    servers.forget("one", sessions=0)
    assert servers.protected() == (office,)
