"""Large contents beside the chat: offers, and the connections on which they are sent and fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from chat.protocol.descriptor import ATTACHMENTS, ByteOrder, MessageType
from tests.end_to_end.server_process import ServerProcess, eventually, running_server
from tests.peers.wire_client import WireClient

UTF8, FILE, LOGIN = MessageType.UTF8, MessageType.FILE, MessageType.LOGIN
BAD_LOGIN = MessageType.BAD_LOGIN
K = 1024

# One that is kept in memory, and one that is kept in a file.
SIZES = [1000, 200 * K]


class People(NamedTuple):
    """Three who have seen each other come: alice and bob want offers, raw is told everything inline."""

    server: ServerProcess
    alice: WireClient
    bob: WireClient
    raw: WireClient

    def expect_silence_before(self, marker: str) -> None:
        """Check that nothing reached anyone before the text that alice says now."""
        self.alice.say(marker)
        for person in (self.alice, self.bob, self.raw):
            person.expect_text(marker, "alice")


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server("--rate=0") as server:
        yield server


@pytest.fixture(params=list(ByteOrder))
def people(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[People]:
    address, order = server.address, request.param
    with (
        WireClient.joined(address, "alice", order=order, inline=100) as alice,
        WireClient.joined(address, "bob", inline=0) as bob,
        WireClient.joined(address, "raw", raw=True, order=order) as raw,
    ):
        for earlier, later in ((alice, bob), (alice, raw), (bob, raw)):
            earlier.expect_joined(later.name)
        yield People(server, alice, bob, raw)
        for person in (alice, bob, raw):  # their names are free again afterwards
            person.leave()
            person.read_to_end()


def pattern(size: int) -> bytes:
    """Bytes of which no two parts are alike."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-size // 4)))[:size]


def test_contents_over_inline_come_as_offers_to_their_sender_too(people: People) -> None:
    _, alice, bob, raw = people
    for type in sorted(ATTACHMENTS):
        for size in (0, 1, 99, 100, 101, 200 * K):
            alice.send(type, {"filename": "f", "nonce": "n"}, pattern(size))
            for person, inline in ((alice, 100), (bob, 0), (raw, size)):
                about = {"sender": "alice", "filename": "f", "nonce": "n"}
                if size <= inline:
                    person.expect(type, pattern(size), **about, size=None, id=None)
                else:
                    frame = person.expect(type, b"", **about, size=size)
                    assert frame.header["id"]


def test_texts_are_never_offered(people: People) -> None:
    people.alice.say("x" * 60_000)
    people.bob.expect_text("x" * 60_000, "alice")
    people.alice.expect_text("x" * 60_000, "alice")
    people.raw.expect_text("x" * 60_000, "alice")


def test_a_user_who_did_not_ask_for_offers_gets_everything_inline(people: People) -> None:
    with WireClient.joined(people.server.address, "plain") as plain:
        people.alice.send(FILE, None, pattern(200 * K))
        plain.expect(FILE, pattern(200 * K), sender="alice", size=None)
        plain.leave()
        plain.read_to_end()
        for person in (people.alice, people.bob, people.raw):
            person.expect_joined("plain")
            person.expect(FILE)
            person.expect_left("plain")


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sent_on_a_transfer_connection_is_said_by_its_user(
    people: People, size: int
) -> None:
    server, alice, bob, raw = people
    with alice.open_transfer(server.address) as transfer:
        for type in sorted(ATTACHMENTS):
            transfer.send(type, {"filename": "../f.bin", "nonce": "n"}, pattern(size))
            # The confirmation is bare; the echo comes where the chat is.
            assert transfer.read_frame() == (type, {}, b"")
            for person in (alice, bob):
                person.expect(type, b"", sender="alice", filename="f.bin", size=size, nonce="n")
            raw.expect(type, pattern(size), sender="alice", filename="f.bin", nonce="n")
        people.expect_silence_before("a transfer is not announced")
        transfer.send(FILE, {"to": "bob"}, pattern(size))
        assert transfer.read_frame() == (FILE, {}, b"")
        for person in (alice, bob):
            person.expect(FILE, b"", sender="alice", to="bob", size=size)
        people.expect_silence_before("nor what is private told to others")


def test_refusals_of_a_transfer_are_told_there(people: People) -> None:
    with people.alice.open_transfer(people.server.address) as transfer:
        transfer.send(FILE, {"to": "nobody", "nonce": "n-1"}, pattern(200 * K))
        transfer.expect_notice("no-such-user", nonce="n-1")
        transfer.send(FILE, {"to": 7, "nonce": "n-2"}, b"secret")
        transfer.expect_notice("bad-header", nonce="n-2")
        transfer.send(UTF8, {"nonce": "n-3"}, b"chat")
        transfer.expect_notice("bad-type", nonce="n-3")
        transfer.send(LOGIN, {"to": "other", "nonce": "n-4"})
        transfer.expect_notice("bad-type", nonce="n-4")
        people.expect_silence_before("after")
        transfer.leave()
        transfer.expect_closed()


@pytest.mark.parametrize("size", SIZES)
def test_an_offer_is_fetched_from_any_offset(people: People, size: int) -> None:
    server, alice, bob, _ = people
    alice.send(MessageType.VOICE, {"filename": "f"}, pattern(size))
    id = bob.expect(MessageType.VOICE, b"", size=size).header["id"]
    assert alice.expect(MessageType.VOICE, b"", size=size).header["id"] == id
    with alice.open_transfer(server.address) as transfer, bob.open_transfer(server.address) as his:
        for offset in (0, 1, size // 2, size - 1, size):
            for connection in (transfer, his):
                connection.send(FILE, {"fetch": id, "offset": offset, "nonce": "n"})
                rest = pattern(size)[offset:]
                connection.expect(FILE, rest, sender="alice", filename="f", size=size, nonce="n")
        his.send(FILE, {"fetch": id})
        his.expect(FILE, pattern(size))
        for fields in ({"offset": size + 1}, {"offset": -1}, {"offset": "0"}):
            his.send(FILE, {"fetch": id, **fields, "nonce": "n"})
            his.expect_notice("bad-header", nonce="n")
        his.send(FILE, {"fetch": "never-offered", "nonce": "n"})
        his.expect_notice("gone", nonce="n")
        his.send(MessageType.VOICE, {"fetch": id, "nonce": "n"})
        his.expect_notice("bad-header", nonce="n")
        his.send(FILE, {"fetch": id, "nonce": "n"}, b"with content")
        his.expect_notice("bad-header", nonce="n")
        # Asked for all at once, they come one after the other.
        his.send_bytes(his.encode(FILE, {"fetch": id}) * 10)
        for _ in range(10):
            his.expect(FILE, pattern(size))


@pytest.mark.parametrize("size", SIZES)
def test_only_who_was_offered_something_may_fetch_it(people: People, size: int) -> None:
    server, alice, bob, raw = people
    with (
        WireClient.joined(server.address, "carol", inline=0) as carol,
        carol.open_transfer(server.address) as transfer,
    ):
        alice.read_until(LOGIN, b"")
        bob.read_until(LOGIN, b"")
        raw.read_until(LOGIN, b"")
        alice.send(FILE, {"to": "bob"}, pattern(size))
        private = bob.expect(FILE, b"", size=size).header["id"]
        alice.send(FILE, None, pattern(size))
        public = carol.expect(FILE, b"", size=size).header["id"]
        transfer.send(FILE, {"fetch": private})
        transfer.expect_notice("gone")
        transfer.send(FILE, {"fetch": public})
        transfer.expect(FILE, pattern(size))
        carol.leave()
        carol.read_to_end()
    # Another of the same name, who came later, was offered nothing.
    with (
        WireClient.joined(server.address, "carol", inline=0) as carol,
        carol.open_transfer(server.address) as transfer,
    ):
        for id in (private, public):
            transfer.send(FILE, {"fetch": id})
            transfer.expect_notice("gone")
        carol.leave()
        carol.read_to_end()
    with bob.open_transfer(server.address) as transfer:
        transfer.send(FILE, {"fetch": private})
        transfer.expect(FILE, pattern(size))


def test_a_session_has_at_most_four_and_they_end_with_it(server: ServerProcess) -> None:
    with ExitStack() as stack:
        dave, erin = [
            stack.enter_context(WireClient.joined(server.address, name))
            for name in ("dave", "erin")
        ]
        transfers = [stack.enter_context(dave.open_transfer(server.address)) for _ in range(4)]
        session = {"session": dave.welcome["session"]}
        with WireClient(server.address) as fifth:
            for _ in range(2):
                answer = fifth.try_login(session)
                assert (answer.type, answer.header["error"]) == (BAD_LOGIN, "too-many-transfers")
        stack.enter_context(erin.open_transfer(server.address))  # another's do not count
        transfers.pop().close()
        # The end of one is seen when the server reads it.
        eventually(lambda: is_let_in(server, session))
        dave.leave()
        dave.read_to_end()
        for transfer in transfers:
            transfer.expect_closed()
        late = stack.enter_context(WireClient(server.address))
        answer = late.try_login(session)
        assert (answer.type, answer.header["error"]) == (BAD_LOGIN, "no-such-session")
        late.login("dave")  # still a connection like any other
        for person in (late, erin):
            person.leave()
            person.read_to_end()


def is_let_in(server: ServerProcess, session: dict[str, str]) -> bool:
    with WireClient(server.address) as client:
        return client.try_login(session).type == LOGIN


def test_a_raw_client_has_no_session_to_open_transfers_with(people: People) -> None:
    assert "session" not in people.raw.welcome
    for guess in ("", "raw", "0" * 24):
        with WireClient(people.server.address) as client:
            assert client.try_login({"session": guess}).header["error"] == "no-such-session"


def test_an_upload_that_ends_early_reaches_nobody(people: People) -> None:
    server, alice, _, _ = people
    before = server.temporary_files()
    for end in (WireClient.close, WireClient.reset, WireClient.finish):
        with alice.open_transfer(server.address) as transfer:
            data = transfer.encode(FILE, None, pattern(500 * K))
            transfer.send_bytes(data[:-1])
            eventually(lambda: server.temporary_files() == before + 1)
            end(transfer)
            eventually(lambda: server.temporary_files() == before)
    people.expect_silence_before("after")
