from __future__ import annotations

import json
import threading
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.connection.events import (
    Attachment,
    Event,
    Joined,
    Left,
    Limits,
    Notice,
    ReadElsewhere,
    Text,
    Welcome,
)
from chat.client.connection.in_flight import InFlight, Place
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.session.timestamps import read_timestamp
from chat.client.connection.session_state import ORIGINAL_LIMITS, SessionState
from chat.net.address import Address
from chat.protocol.descriptor import MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.headers import ServerHeader

NOON = "2026-11-24T12:00:00Z"
AT_NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)


class Hall:
    """A room, what was sent there, and what its server says next."""

    def __init__(self, username: str = "alice", *, original: bool = False) -> None:
        self.in_flight = InFlight()
        self.room = SessionState(username, self.in_flight, original=original)

    def hear(self, kind: MessageType, sender: str, content: bytes = b"", **fields: Any) -> Event:
        header = ServerHeader(sender, NOON, **fields)
        return self.room.interpret(kind, header, content, len(content))

    def welcome(self, **fields: object) -> Event:
        return self.hear(MessageType.LOGIN, "alice", json.dumps(fields).encode())

    def sent(self) -> Receipt:
        receipt = Receipt(threading.Event(), MessageType.UTF8)
        self.in_flight.send(receipt)
        return receipt


class TestComingAndGoing:
    def test_the_welcome_tells_everything(self) -> None:
        hall = Hall()
        limits = {"max_text": 1, "max_file": 2, "inline": 3}
        event = hall.welcome(
            users=["bob", "alice"], server="chat/1", session="s", limits=limits, motd="Hi!"
        )
        assert event == Welcome(
            "alice", AT_NOON, ("bob", "alice"), "chat/1", "s", Limits(1, 2, 3), "Hi!"
        )
        assert list(hall.room.users) == ["bob", "alice"]
        assert (hall.room.server, hall.room.session) == ("chat/1", "s")
        assert (hall.room.limits, hall.room.motd) == (Limits(1, 2, 3), "Hi!")

    def test_a_server_that_names_people_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chat.client.connection.session.known_rooms.MAX_USERS", 10)
        hall = Hall()
        hall.welcome(users=["alice", "x" * 257])
        for number in range(20):
            assert hall.hear(MessageType.LOGIN, f"n{number}") == Joined(f"n{number}", AT_NOON)
            hall.hear(MessageType.UTF8, f"t{number}", b"hi")
        hall.hear(MessageType.LOGOUT, "n0")
        hall.hear(MessageType.FILE, "late", b"")
        known = ["alice", "t0", "n1", "t1", "n2", "t2", "n3", "t3", "n4", "late"]
        assert list(hall.room.users) == known

    def test_a_session_is_nothing_to_print(self) -> None:
        assert "secret" not in repr(Hall().welcome(session="secret"))

    @pytest.mark.parametrize(
        "fields",
        [
            {"users": "bob", "limits": [], "motd": 7, "server": {}, "session": None},
            {"node": ["a"], "servers": "b.example.org:8080"},
            {"node": "", "servers": {"b.example.org:8080": 1}},
            {"users": [1, None], "limits": {"max_text": -1, "max_file": True, "inline": "9"}},
            {},
        ],
    )
    def test_values_of_a_wrong_kind_count_as_left_out(self, fields: dict[str, object]) -> None:
        assert Hall().welcome(**fields) == Welcome("alice", AT_NOON, ("alice",))

    def test_the_welcome_of_a_server_in_a_cluster(self) -> None:
        event = Hall().welcome(node="b", servers=["a.example.org:8080", "[2001:db8::1]:9000"])
        servers = (Address("a.example.org", 8080), Address("2001:db8::1", 9000))
        assert event == Welcome("alice", AT_NOON, ("alice",), node="b", servers=servers)

    def test_a_notice_that_asks_the_client_to_move_answers_nothing(self) -> None:
        hall = Hall(original=True)
        receipt = hall.sent()
        event = hall.hear(
            MessageType.UTF8, "server", b"Go on.", notice="move", servers=("b:1", "unix:/x", "b:1")
        )
        assert event == Notice("move", "Go on.", AT_NOON, servers=(Address("b", 1),))
        assert receipt.status is Status.WAITING

    def test_only_the_notice_that_asks_to_move_names_servers(self) -> None:
        event = Hall().hear(MessageType.UTF8, "server", b"x", notice="epoch", servers=("b:1",))
        assert event == Notice("epoch", "x", AT_NOON)

    def test_a_welcome_that_is_no_object(self) -> None:
        with pytest.raises(HeaderError):
            Hall().hear(MessageType.LOGIN, "alice", b"[]")

    def test_the_server_may_write_our_name_its_own_way(self) -> None:
        hall = Hall("ｊｏｓｅ\u0301")
        hall.hear(MessageType.LOGIN, "josé", b"{}")
        assert hall.room.username == "josé"

    def test_another_may_be_announced_before_us_by_an_original(self) -> None:
        hall = Hall(original=True)
        assert hall.hear(MessageType.LOGIN, "bob") == Joined("bob", AT_NOON)
        event = hall.hear(MessageType.LOGIN, "alice", b"not looked at")
        assert event == Welcome("alice", AT_NOON, ("alice",), limits=ORIGINAL_LIMITS)
        assert list(hall.room.users) == ["bob", "alice"]

    def test_users_who_come_and_go_are_known(self) -> None:
        hall = Hall()
        hall.welcome(users=["alice"])
        assert hall.hear(MessageType.LOGIN, "bob") == Joined("bob", AT_NOON)
        assert list(hall.room.users) == ["alice", "bob"]
        event = hall.hear(MessageType.LOGOUT, "bob", reason="quit")
        assert event == Left("bob", AT_NOON, "quit")
        assert list(hall.room.users) == ["alice"]
        assert hall.hear(MessageType.LOGOUT, "nobody") == Left("nobody", AT_NOON)

    def test_a_user_who_speaks_is_there(self) -> None:
        hall = Hall(original=True)
        hall.hear(MessageType.LOGIN, "alice")
        hall.hear(MessageType.UTF8, "bob", b"I was here before you")
        assert list(hall.room.users) == ["alice", "bob"]


class TestMessages:
    def test_a_text(self) -> None:
        event = Hall().hear(MessageType.UTF8, "bob", "привет".encode())
        assert event == Text("bob", AT_NOON, "привет")

    def test_a_private_one(self) -> None:
        event = Hall().hear(MessageType.UTF8, "bob", b"psst", to="alice")
        assert event == Text("bob", AT_NOON, "psst", to="alice")

    def test_what_is_no_utf8_is_still_shown(self) -> None:
        event = Hall().hear(MessageType.UTF8, "bob", b"a\xffb")
        assert event == Text("bob", AT_NOON, "a\ufffdb")

    def test_our_own_settles_its_receipt(self) -> None:
        hall = Hall()
        receipt = hall.sent()
        event = hall.hear(MessageType.UTF8, "alice", b"hi", nonce=receipt.nonce)
        assert event == Text("alice", AT_NOON, "hi", own=True)
        assert isinstance(event, Text)
        assert event.receipt is receipt
        assert receipt.status is Status.ACCEPTED

    def test_another_cannot_settle_it(self) -> None:
        hall = Hall()
        receipt = hall.sent()
        hall.hear(MessageType.UTF8, "bob", b"hi", nonce=receipt.nonce)
        assert receipt.status is Status.WAITING

    def test_on_an_original_server_own_messages_answer_in_order(self) -> None:
        hall = Hall(original=True)
        first, second = hall.sent(), hall.sent()
        hall.hear(MessageType.UTF8, "bob", b"between")
        hall.hear(MessageType.UTF8, "alice", b"one")
        assert (first.status, second.status) == (Status.ACCEPTED, Status.WAITING)

    def test_an_attachment_that_came_with_its_message(self) -> None:
        event = Hall().hear(MessageType.IMAGE, "bob", b"\x89PNG", filename="../a.png")
        assert event == Attachment(
            MessageType.IMAGE, "bob", AT_NOON, "a.png", 4, content=b"\x89PNG"
        )

    def test_an_empty_one(self) -> None:
        event = Hall().hear(MessageType.FILE, "bob", filename="empty")
        assert event == Attachment(MessageType.FILE, "bob", AT_NOON, "empty", 0, content=b"")

    def test_an_offer(self) -> None:
        event = Hall().hear(MessageType.VOICE, "bob", size=10**9, id="o-1")
        assert event == Attachment(MessageType.VOICE, "bob", AT_NOON, "voice", 10**9, offer="o-1")

    def test_an_offer_without_a_size(self) -> None:
        with pytest.raises(HeaderError, match="without its size"):
            Hall().hear(MessageType.FILE, "bob", id="o-1")

    def test_one_that_is_not_kept_in_memory_is_no_offer(self) -> None:
        header = ServerHeader("bob", NOON, filename="a", size=5, id="o-1")
        event = Hall().room.interpret(MessageType.FILE, header, None, 100_000)
        assert event == Attachment(MessageType.FILE, "bob", AT_NOON, "a", 100_000)

    def test_types_that_make_no_sense_after_the_login(self) -> None:
        with pytest.raises(HeaderError, match="BAD_LOGIN"):
            Hall().hear(MessageType.BAD_LOGIN, "server")


class TestOtherDevices:
    def test_a_copy_that_another_device_sent(self) -> None:
        event = Hall().hear(MessageType.UTF8, "alice", b"hi", nonce="theirs", to="bob")
        assert event == Text("alice", AT_NOON, "hi", to="bob", own=True, elsewhere=True)

    def test_a_file_that_another_device_sent(self) -> None:
        event = Hall().hear(MessageType.FILE, "alice", b"x", filename="a")
        assert isinstance(event, Attachment)
        assert event.elsewhere

    def test_our_own_upload_is_not_from_elsewhere_whatever_became_of_it(self) -> None:
        hall = Hall()
        upload = Receipt(threading.Event(), MessageType.FILE)
        hall.in_flight.send(upload, Place.UPLOADING)
        hall.in_flight.requeue(upload)  # the user cancelled it, just too late
        event = hall.hear(MessageType.FILE, "alice", b"x", filename="a", nonce=upload.nonce)
        assert isinstance(event, Attachment)
        assert not event.elsewhere

    @pytest.mark.parametrize("sender", ["alice", "bob"])
    def test_of_a_message_that_is_shown_again_nobody_knows(self, sender: str) -> None:
        event = Hall().hear(MessageType.UTF8, sender, b"hi", nonce="theirs", replay=True)
        assert isinstance(event, Text)
        assert not event.elsewhere

    def test_how_far_the_user_has_read(self) -> None:
        said: dict[str, Any] = {"notice": "read", "seq": 7, "to": "alice"}
        hall = Hall()
        hall.sent()
        assert hall.hear(MessageType.UTF8, "server", **said) == ReadElsewhere(7, AT_NOON)
        private = {**said, "private": True, "partner": "bob"}
        event = hall.hear(MessageType.UTF8, "server", **private)
        assert event == ReadElsewhere(7, AT_NOON, "bob")

    def test_a_mark_without_a_number_is_a_notice_like_others(self) -> None:
        event = Hall().hear(MessageType.UTF8, "server", b"Read.", notice="read")
        assert event == Notice("read", "Read.", AT_NOON)

    def test_a_message_that_waits_for_its_recipient(self) -> None:
        hall = Hall()
        nonce = hall.sent().nonce
        event = hall.hear(
            MessageType.UTF8, "alice", b"hi", nonce=nonce, to="bob", waiting=True, account="b1"
        )
        assert event == Text("alice", AT_NOON, "hi", to="bob", own=True, waiting=True, account="b1")

    def test_the_welcome_of_a_further_device_is_ordinary(self) -> None:
        hall = Hall()
        event = hall.hear(MessageType.LOGIN, "alice", b'{"users": ["alice"]}', again=True)
        assert event == Welcome("alice", AT_NOON, ("alice",))


class TestNotices:
    def test_a_refusal_settles_its_receipt(self) -> None:
        hall = Hall()
        receipt = hall.sent()
        event = hall.hear(
            MessageType.UTF8, "server", b"No.", notice="too-large", nonce=receipt.nonce, to="alice"
        )
        assert event == Notice("too-large", "No.", AT_NOON)
        assert isinstance(event, Notice)
        assert event.receipt is receipt
        assert (receipt.status, receipt.code, receipt.refusal) == (
            Status.REFUSED,
            "too-large",
            "No.",
        )

    def test_a_raw_client_is_refused_what_it_sent_first(self) -> None:
        hall = Hall(original=True)
        first, second = hall.sent(), hall.sent()
        hall.hear(MessageType.UTF8, "server", b"No.", notice="empty")
        assert (first.status, second.status) == (Status.REFUSED, Status.WAITING)

    def test_a_command_is_done(self) -> None:
        hall = Hall()
        receipt = hall.sent()
        nonce = receipt.nonce
        event = hall.hear(MessageType.UTF8, "server", b"Gone.", notice="done", nonce=nonce)
        assert isinstance(event, Notice)
        assert event.receipt is receipt
        assert (receipt.status, receipt.answer) == (Status.ACCEPTED, "Gone.")

    @pytest.mark.parametrize(
        "code",
        ["shutting-down", "moderated", "replaced", "account", "announcement", "epoch", "waiting"],
    )
    def test_what_the_server_tells_on_its_own_answers_nothing(self, code: str) -> None:
        hall = Hall(original=True)
        receipt = hall.sent()
        hall.hear(MessageType.UTF8, "server", b"Bye.", notice=code)
        assert receipt.status is Status.WAITING

    @pytest.mark.parametrize(
        ("code", "to", "dismisses"),
        [
            ("moderated", "alice", True),
            ("replaced", "alice", True),
            ("moderated", None, False),  # it happened to somebody else
            ("shutting-down", "alice", False),
            ("muted", "alice", False),
        ],
    )
    def test_a_dismissal(self, code: str, to: str | None, dismisses: bool) -> None:
        fields = {"notice": code} if to is None else {"notice": code, "to": to}
        event = Hall().hear(MessageType.UTF8, "server", b"Words.", **fields)
        assert isinstance(event, Notice)
        assert event.dismisses is dismisses


class TestTimestamps:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-24T12:00:00Z", AT_NOON),
            ("2026-11-24T12:00:00.000000Z", AT_NOON),
            ("2026-11-24T12:00:00.000000999Z", AT_NOON),
            ("2026-11-24T12:00:00.5Z", AT_NOON.replace(microsecond=500_000)),
            ("2026-11-24T15:30:00+03:30", AT_NOON),
            ("2026-11-24T12:00:60Z", AT_NOON.replace(second=59)),
            ("2026-11-24T12:00:60.000000Z", AT_NOON.replace(second=59)),
        ],
    )
    def test_in_utc_to_the_microsecond(self, text: str, expected: datetime) -> None:
        assert read_timestamp(text) == expected
        assert read_timestamp(text).tzinfo is timezone.utc

    @pytest.mark.parametrize(
        "text",
        [
            "2026-02-30T12:00:00Z",
            "2026-02-30T12:00:00.000000Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "2026-11-24T12:00:00+99:99",
        ],
    )
    def test_times_that_do_not_exist(self, text: str) -> None:
        with pytest.raises(HeaderError, match="time"):
            read_timestamp(text)

    @given(st.datetimes(timezones=st.just(timezone.utc)))
    def test_any_time_there_is(self, moment: datetime) -> None:
        assert read_timestamp(moment.isoformat().replace("+00:00", "Z")) == moment
