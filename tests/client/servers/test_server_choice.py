"""Which server the client tries, in which order, and when again."""

from __future__ import annotations

import random
from typing import cast

import pytest

from chat.client.connection.connection import Connection
from chat.client.connection.session.told_servers import MAX_SERVERS
from chat.client.errors import (
    ChatError,
    ConnectError,
    LoginRefused,
    NotEncrypted,
    UntrustedServer,
)
from chat.client.runtime.runtime import PLAIN
from chat.client.servers import server_choice
from chat.client.servers.retrying import RetryPolicy
from chat.client.servers.server_choice import REACH, ServerChoice
from chat.client.trust.connector import Connector, TrustPolicy, UnknownServer
from chat.client.trust.sibling import Sibling
from chat.net.address import Address
from chat.protocol.notices import Refusal
from tests.server.fakes import FakeClock

IN_TIME = cast(Connection, object())


def at(*names: str) -> list[Address]:
    return [Address(name, 8080) for name in names]


class Desk:
    """A list of servers, what each of them answers, and which were tried."""

    def __init__(self, *named: str, retry: RetryPolicy | None = None) -> None:
        self.warned: list[str] = []
        self.servers = ServerChoice(PLAIN, at(*named), TrustPolicy(), retry, self.warned.append)
        self.answers: dict[str, ChatError] = {}
        self.tried: list[tuple[str, float | None]] = []

    def connect(self, *among: str) -> list[str]:
        """Log in, and return the hosts that were tried."""
        self.tried.clear()
        self.servers.connect(self._log_in, at(*among))
        return self.hosts

    @property
    def hosts(self) -> list[str]:
        return [host for host, _ in self.tried]

    def _log_in(self, connector: Connector, reach: float | None) -> Connection:
        host = connector.address.host
        self.tried.append((host, reach))
        if host in self.answers:
            raise self.answers[host]
        return IN_TIME

    def fail(self, *hosts: str) -> None:
        self.answers.update({host: ConnectError(f"{host} is dead.") for host in hosts})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(server_choice, "uptime", clock)
    return clock


def test_at_first_the_order_is_the_users() -> None:
    for _ in range(20):
        desk = Desk("a", "b", "c")
        desk.servers.recall(["d:8080"])
        desk.fail("a", "b", "c")
        assert desk.connect() == ["a", "b", "c", "d"]


def test_only_the_last_server_has_all_the_time() -> None:
    desk = Desk("a", "b", "c")
    desk.fail("a", "b")
    desk.connect()
    assert desk.tried == [("a", REACH), ("b", REACH), ("c", None)]


def test_a_single_server_is_asked_as_ever(clock: FakeClock) -> None:
    desk = Desk("a")
    desk.fail("a")
    for _ in range(3):
        with pytest.raises(ConnectError, match=r"^a is dead\.$"):
            desk.connect()
        assert desk.tried == [("a", None)]
    desk.answers.clear()
    desk.connect()
    assert not desk.servers.is_other_ready()
    assert desk.servers.others == ()


def test_after_a_loss_the_others_come_in_an_order_of_each_client(clock: FakeClock) -> None:
    orders = set()
    for _ in range(200):
        desk = Desk("a", "b", "c")
        desk.connect()
        desk.servers.lost(100.0)
        desk.fail("b", "c")
        desk.answers.pop("a", None)
        with pytest.raises(ConnectError):  # a has not come to its turn yet
            desk.connect()
        orders.add(tuple(desk.hosts))
    assert orders == {("b", "c"), ("c", "b")}


def test_the_server_that_was_lost_is_tried_again_after_a_pause(clock: FakeClock) -> None:
    desk = Desk("a", "b")
    desk.connect()
    desk.servers.lost(100.0)
    desk.fail("b")
    with pytest.raises(ConnectError):
        desk.connect()
    clock.advance(10)
    assert desk.connect()[-1] == "a"


def test_a_server_that_fails_again_and_again_rests_longer(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", max)
    desk = Desk("a", "b", retry=RetryPolicy(first=10.0, longest=60.0))
    desk.fail("a")
    assert desk.connect() == ["a", "b"]
    for rest in (15.0, 30.0, 60.0, 60.0):
        clock.advance(rest - 1)
        assert desk.connect() == ["b"]
        clock.advance(1)
        assert desk.connect() == ["a", "b"]


def test_if_all_rest_all_are_tried(clock: FakeClock) -> None:
    desk = Desk("a", "b")
    desk.fail("a", "b")
    for _ in range(2):
        with pytest.raises(ConnectError, match=r"a is dead\. b is dead\."):
            desk.connect()
        assert sorted(desk.hosts) == ["a", "b"]


@pytest.mark.parametrize(
    "code",
    [
        Refusal.BUSY,
        Refusal.SERVER_FULL,
        Refusal.TOO_MANY_CONNECTIONS,
        Refusal.TOO_MANY_ATTEMPTS,
    ],
)
def test_a_server_that_has_no_room_is_passed_over(code: Refusal) -> None:
    desk = Desk("a", "b")
    desk.answers["a"] = LoginRefused(code.value, "Not now.")
    assert desk.connect() == ["a", "b"]
    desk = Desk("a", "b")
    desk.answers["a"] = desk.answers["b"] = LoginRefused(code.value, "Not now.")
    with pytest.raises(LoginRefused):
        desk.connect()


@pytest.mark.parametrize(
    "code", [Refusal.USERNAME_EXISTS, Refusal.WRONG_PASSWORD, Refusal.BANNED, Refusal.BAD_USERNAME]
)
def test_a_refusal_of_the_user_is_the_same_everywhere(code: Refusal) -> None:
    desk = Desk("a", "b")
    desk.answers["a"] = LoginRefused(code.value, "Not you.")
    with pytest.raises(LoginRefused):
        desk.connect()
    assert desk.hosts == ["a"]


class TestTold:
    def test_a_told_server_is_a_sibling_of_all_that_the_user_named(self) -> None:
        desk = Desk("a", "b")
        desk.fail("a", "b")
        desk.servers.recall(["c:9000"])
        found: list[Connector] = []

        def log_in(connector: Connector, reach: float | None) -> Connection:
            found.append(connector)
            return IN_TIME

        desk.servers.connect(log_in, [Address("c", 9000)])
        assert isinstance(found[0], Sibling)
        assert [str(each) for each in found[0].named_addresses] == ["a:8080", "b:8080"]

    def test_the_newest_list_counts_and_the_present_server_stays(self) -> None:
        desk = Desk("a")
        desk.connect()
        desk.servers.tell(at("b", "c"))
        assert desk.connect("b") == ["b"]
        desk.servers.tell(at("d", "a"))
        assert desk.servers.told == tuple(at("b", "d"))
        assert desk.servers.others == tuple(at("a", "d"))

    def test_a_named_server_stays_a_named_one(self) -> None:
        desk = Desk("a")
        desk.servers.tell([*at("A.", "a"), *at("b", "B")])
        assert desk.servers.told == tuple(at("b"))

    def test_a_list_is_bounded(self) -> None:
        desk = Desk("a")
        desk.servers.tell(at(*(f"h{number}" for number in range(1000))))
        assert len(desk.servers.told) == MAX_SERVERS

    def test_an_untrusted_one_is_left_out_with_a_line_and_never_tried_again(self) -> None:
        desk = Desk("a")
        desk.connect()
        desk.answers["liar"] = UntrustedServer("liar has another key.")
        desk.servers.tell(at("liar", "b"))
        with pytest.raises(UntrustedServer):
            desk.connect("liar")
        for _ in range(20):
            desk.servers.tell(at("liar", "b", "a"))
            with_liar = desk.servers.told + desk.servers.others
            assert Address("liar", 8080) not in with_liar
        assert desk.warned == ["liar has another key."]

    def test_a_server_that_tells_of_liars_without_end_is_not_listened_to(self) -> None:
        desk = Desk("a")
        desk.connect()
        for number in range(30):
            names = [f"liar{number}-{each}" for each in range(5)]
            desk.answers.update({name: UntrustedServer("Another key.") for name in names})
            with pytest.raises((UntrustedServer, ConnectError)):
                desk.connect(*names)
        assert len(desk.warned) <= 64 + MAX_SERVERS
        desk.servers.tell(at("b"))
        assert desk.servers.told == ()

    def test_a_move_to_nobody(self) -> None:
        desk = Desk("a")
        desk.connect()
        desk.servers.tell(at("b"))
        desk.answers["liar"] = UntrustedServer("Another key.")
        with pytest.raises(UntrustedServer):
            desk.connect("liar")
        with pytest.raises(ConnectError, match="no other server"):
            desk.connect("liar")
        assert desk.hosts == []

    def test_a_move_is_to_the_servers_that_were_told_for_it(self) -> None:
        desk = Desk("a", "b")
        desk.connect()
        desk.servers.tell(at("c"))
        desk.fail("d")
        with pytest.raises(ConnectError):
            desk.connect("d")
        assert desk.hosts == ["d"]

    def test_what_an_earlier_run_has_left_is_read_with_care(self) -> None:
        desk = Desk("a")
        desk.servers.recall(["unix:/run/x", "b:1", "no where", "b:1"])
        assert desk.servers.told == (Address("b", 1),)
        desk.connect()
        desk.servers.recall(["c:1"])  # a server has told otherwise since
        assert desk.servers.told == (Address("b", 1),)


class TestQuestions:
    def test_the_user_is_asked_about_a_named_server_at_first_and_not_later(self) -> None:
        asked: list[UnknownServer] = []

        def judge(unknown: UnknownServer) -> bool:
            asked.append(unknown)
            return True

        servers = ServerChoice(PLAIN, at("a", "b"), TrustPolicy(judge=judge))
        problems: list[ChatError] = []

        def log_in(connector: Connector, reach: float | None) -> Connection:
            ask = connector.policy.judge
            assert ask is not None
            try:
                assert ask(UnknownServer(connector.address, None))
            except UntrustedServer as problem:
                problems.append(problem)
                raise
            return IN_TIME

        servers.connect(log_in)
        servers.lost(100.0)
        with pytest.raises(UntrustedServer, match="only when it starts"):
            servers.connect(log_in)
        assert [unknown.address.host for unknown in asked] == ["a"]
        assert len(problems) == 1

    def test_a_server_on_its_own_is_asked_about_as_ever(self) -> None:
        servers = ServerChoice(PLAIN, at("a"), TrustPolicy(judge=bool))
        servers.connect(lambda connector, reach: IN_TIME)
        servers.connect(lambda connector, reach: judged(connector))


def judged(connector: Connector) -> Connection:
    assert connector.policy.judge is bool
    return IN_TIME


class TestBalancer:
    """All servers tell the address of one balancer, which the user has named."""

    def test_the_next_login_is_at_once_and_at_the_same_address(self, clock: FakeClock) -> None:
        desk = Desk("a")
        desk.connect()
        assert not desk.servers.is_other_ready()
        desk.servers.tell(at("a"))
        assert desk.servers.others == tuple(at("a"))
        desk.servers.lost(100.0)
        assert desk.servers.is_other_ready()
        assert desk.connect() == ["a"]

    def test_but_not_again_and_again(self, clock: FakeClock) -> None:
        desk = Desk("a")
        desk.connect()
        desk.servers.tell(at("a"))
        desk.servers.lost(1.0)
        assert not desk.servers.is_other_ready()

    def test_a_move_leads_to_the_balancer(self) -> None:
        desk = Desk("a")
        desk.connect()
        assert desk.connect("a") == ["a"]


class TestUntrustedNamedServers:
    def test_the_only_one_ends_it(self) -> None:
        desk = Desk("a")
        desk.answers["a"] = UntrustedServer("THE KEY HAS CHANGED.")
        with pytest.raises(UntrustedServer):
            desk.connect()
        assert desk.warned == []

    def test_one_of_several_is_told_loudly_and_once(self, clock: FakeClock) -> None:
        desk = Desk("a", "b")
        desk.answers["a"] = UntrustedServer("THE KEY HAS CHANGED.")
        for _ in range(3):
            assert desk.connect()[-1] == "b"
            desk.servers.lost(0.0)
            clock.advance(1000)
        assert desk.warned == ["THE KEY HAS CHANGED."]

    def test_if_none_is_left_that_ends_it(self) -> None:
        desk = Desk("a", "b")
        desk.answers["a"] = desk.answers["b"] = UntrustedServer("THE KEY HAS CHANGED.")
        with pytest.raises(UntrustedServer):
            desk.connect()

    def test_if_others_are_only_dead_it_goes_on(self) -> None:
        desk = Desk("a", "b")
        desk.answers["a"] = UntrustedServer("THE KEY HAS CHANGED.")
        desk.answers["b"] = NotEncrypted("b does not speak TLS.")
        with pytest.raises(ConnectError) as caught:
            desk.connect()
        assert not isinstance(caught.value, UntrustedServer)


def test_the_clients_of_a_dead_server_spread_their_logins() -> None:
    delays = [Desk("a", "b").servers.spread() for _ in range(200)]
    assert all(0 <= delay <= 0.5 for delay in delays)
    assert max(delays) - min(delays) > 0.3


def test_the_address_is_that_of_the_present_server() -> None:
    desk = Desk("a", "b")
    assert desk.servers.address == Address("a", 8080)
    desk.fail("a")
    desk.connect()
    assert desk.servers.address == Address("b", 8080)
