"""Sockets to which the broadcast itself writes: the rest that a socket does not take waits in its place."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from gevent import socket as gevent_socket

from chat.protocol.descriptor import ByteOrder, MessageType
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery.broadcast import Broadcast
from chat.server.delivery.send_queue import BacklogLimits, SendQueue
from chat.server.net.transport import Transport
from tests.end_to_end.kernel import unsent_bytes
from tests.server.fakes import frames_of, run_ready_greenlets, wait_until

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

LARGE = 64 * 1024  # bytes of a message: a few are more than a socket holds
SHARED = 8 * 1024  # bytes of a message that many are given by reference
HELD = 64 * 1024  # bytes for which either end of a connection has a buffer
MANY = 40  # so many share a batch


class Listener(NamedTuple):
    send_queue: SendQueue
    peer: socket.socket
    reasons: list[LeaveReason]
    ours: GeventSocket

    def heard(self) -> list[bytes]:
        """The contents that have come; the writer goes on as what is there is taken."""
        data = bytearray()

        def is_all_taken() -> bool:
            # Looked at before the peer reads: what is in its kernel then is read below.
            is_all_there = (
                self.send_queue.waiting == 0
                and not self.send_queue.is_behind
                and unsent_bytes(self.ours) == 0
            )
            while True:
                try:
                    piece = self.peer.recv(1 << 20)
                except BlockingIOError:
                    return is_all_there
                data.extend(piece)

        wait_until(is_all_taken, "all to be taken")
        return [frame.content for frame in frames_of(bytes(data))]


@pytest.fixture
def ends() -> Iterator[ExitStack]:
    with ExitStack() as ends:
        yield ends


def listener(broadcast: Broadcast, ends: ExitStack, per_user: int = 1 << 30) -> Listener:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HELD)
        peer = ends.enter_context(socket.socket())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
        peer.connect(server.getsockname())
        ours, _ = server.accept()
    peer.setblocking(False)
    sock = ends.enter_context(gevent_socket.socket(fileno=ours.detach()))
    reasons: list[LeaveReason] = []
    limits = BacklogLimits(per_user, 1 << 30)
    send_queue = SendQueue(Transport(sock), ByteOrder.BIG, limits, reasons.append)
    ends.callback(send_queue.close)
    broadcast.add(send_queue)
    return Listener(send_queue, peer, reasons, sock)


def say(broadcast: Broadcast, content: bytes) -> bytes:
    broadcast.post(Frame(MessageType.UTF8, b"", content))
    run_ready_greenlets()
    return content


def test_what_a_socket_does_not_take_comes_later_and_in_order(
    broadcast: Broadcast, ends: ExitStack
) -> None:
    slow, quick = listener(broadcast, ends), listener(broadcast, ends)
    said, heard = [], []

    for number in range(40):
        said.append(say(broadcast, b"%d" % number * LARGE))
        heard += quick.heard()
    assert slow.send_queue.is_behind
    said.append(say(broadcast, b"the last"))
    heard += quick.heard()

    assert slow.heard() == said
    assert heard == said


def test_a_user_who_has_caught_up_is_written_to_as_before(
    broadcast: Broadcast, ends: ExitStack
) -> None:
    member = listener(broadcast, ends)
    direct = member.send_queue.direct
    assert direct is not None
    said = [say(broadcast, b"x" * LARGE) for _ in range(40)]
    assert member.send_queue.direct is None

    assert member.heard() == said

    assert member.send_queue.direct == direct
    say(broadcast, b"again")
    assert member.heard() == [b"again"]


def test_one_whose_peer_has_gone_costs_nobody_else_anything(
    broadcast: Broadcast, ends: ExitStack
) -> None:
    members = [listener(broadcast, ends) for _ in range(3)]
    members[1].peer.close()

    said = [say(broadcast, b"one"), say(broadcast, b"two")]

    assert members[1].reasons == [LeaveReason.DISCONNECTED]
    assert members[0].heard() == members[2].heard() == said


def test_a_private_frame_for_a_peer_who_has_gone_costs_nobody_else_anything(
    broadcast: Broadcast, ends: ExitStack
) -> None:
    gone, here = listener(broadcast, ends), listener(broadcast, ends)
    gone.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone.peer.close()
    for number in range(2):  # the first write may still be taken by the kernel
        for each in (gone, here):
            broadcast.put(each.send_queue, Frame(MessageType.UTF8, b"", b"%d" % number))
        run_ready_greenlets()

    assert here.heard() == [b"0", b"1"]
    assert gone.reasons == [LeaveReason.DISCONNECTED]


def test_one_who_has_been_given_up_is_written_to_no_more(
    broadcast: Broadcast, ends: ExitStack
) -> None:
    lost, other = listener(broadcast, ends, per_user=LARGE), listener(broadcast, ends)
    for _ in range(40):
        say(broadcast, b"x" * LARGE)
        other.heard()
    assert lost.reasons == [LeaveReason.TOO_SLOW]
    assert lost.send_queue.direct is None

    say(broadcast, b"and so on")

    assert lost.send_queue.waiting == 0
    assert other.heard() == [b"and so on"]


# A large batch for many is shared by them


def test_a_batch_that_is_shared_is_whole_for_all_however_late_they_take_it(
    broadcast: Broadcast, ends: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    sendfile = os.sendfile

    def counted(out: int, file: int, offset: int, size: int) -> int:
        sizes.append(size)
        return sendfile(out, file, offset, size)

    monkeypatch.setattr(os, "sendfile", counted)
    members = [listener(broadcast, ends) for _ in range(MANY)]

    # Each is put where the last one was, while that still lies in the sockets; in the end they don't take all.
    said = [say(broadcast, b"%02d" % number * SHARED) for number in range(40)]

    assert len(sizes) > 2 * MANY
    assert min(sizes) > 2 * SHARED
    assert all(member.send_queue.is_behind for member in members)
    for member in members:
        assert member.heard() == said


def test_a_shared_batch_in_which_one_has_gone_reaches_the_others(
    broadcast: Broadcast, ends: ExitStack
) -> None:
    members = [listener(broadcast, ends) for _ in range(MANY)]
    members[1].peer.close()
    said = [say(broadcast, b"one" * LARGE), say(broadcast, b"two" * LARGE)]

    assert members[1].reasons == [LeaveReason.DISCONNECTED]
    for member in (members[0], *members[2:]):
        assert member.heard() == said


def test_without_memory_to_share_everyone_gets_a_copy(
    broadcast: Broadcast, ends: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    broadcast = Broadcast()
    broadcast.start()
    members = [listener(broadcast, ends) for _ in range(MANY)]

    said = [say(broadcast, b"one" * LARGE)]

    for member in members:
        assert member.heard() == said
    broadcast.stop()
