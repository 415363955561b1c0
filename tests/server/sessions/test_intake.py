"""A logged-in client's frames on their way in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from chat.framing import FrameReader, IncompleteFrame
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType, encode_frame
from chat.protocol.headers import ClientHeader
from chat.protocol.notices import NoticeCode
from chat.server.attachments import spool as spool_module
from chat.server.attachments.spool import NoSpaceError, Spool, SpooledFile
from chat.server.sessions.intake import FrameRefused, Intake, check_frame
from chat.server.settings import BILLED_BYTES, MAX_IN_MEMORY, Settings
from tests.server.fakes import wait_until
from tests.tables import table
from tests.wire.replay import ChunkedSocket

UTF8, FILE = MessageType.UTF8, MessageType.FILE
SETTINGS = Settings(max_text=100, max_file=1_000_000)
LARGE = bytes(range(256)) * 400  # more than is held in memory


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, 4_000_000)


def frame(type: MessageType, header: bytes = b"", content: bytes = b"") -> bytes:
    return encode_frame(type, header, content, ByteOrder.BIG)


def intake_of(spool: Spool, *chunks: bytes) -> Intake:
    """Return the intake of a client that sends ``chunks`` and then closes."""
    reader = FrameReader(ChunkedSocket(chunks), ByteOrder.BIG)
    return Intake(reader, SETTINGS, spool, "alice", lambda: None)


def take(intake: Intake) -> bytes | SpooledFile:
    """The content of the next frame."""
    descriptor = intake.next()
    assert descriptor is not None
    return intake.read_content(descriptor, intake.read_header(descriptor))


def refusal(intake: Intake) -> FrameRefused:
    with pytest.raises(FrameRefused) as caught:
        take(intake)
    return caught.value


# On the descriptor alone


@table(
    ("type", "size", "notice", "fatal"),
    [
        (UTF8, 1, None, False),
        (UTF8, 100, None, False),
        (UTF8, 0, NoticeCode.EMPTY, False),
        (UTF8, 101, NoticeCode.TOO_LARGE, False),
        (UTF8, 1_000_001, NoticeCode.TOO_LARGE, True),
        (FILE, 0, None, False),
        (FILE, 1_000_000, None, False),
        (FILE, 1_000_001, NoticeCode.TOO_LARGE, True),
        (MessageType.IMAGE, 1_000_000, None, False),
        (MessageType.VOICE, 1_000_001, NoticeCode.TOO_LARGE, True),
        (MessageType.LOGIN, 5, NoticeCode.BAD_TYPE, False),
        (0, 0, NoticeCode.BAD_TYPE, False),
        (65535, 1_000_000, NoticeCode.BAD_TYPE, False),
        (65535, 2**64 - 1, NoticeCode.TOO_LARGE, True),
    ],
)
def test_a_frame_is_judged_on_its_descriptor(
    type: int, size: int, notice: NoticeCode | None, fatal: bool
) -> None:
    refused = check_frame(Descriptor(type, 0, size), SETTINGS)

    assert (refused.notice if refused else None) == notice
    if refused:
        assert refused.fatal is fatal
        assert str(refused) == refused.sentence
        assert refused.sentence.endswith(".")


@pytest.mark.parametrize(
    ("limit", "said"),
    [(2**30, "1 GiB"), (3 * 2**20, "3 MiB"), (1536, "1.5 KiB"), (65536, "64 KiB")],
)
def test_a_limit_is_told_in_the_largest_unit_that_divides_it(limit: int, said: str) -> None:
    settings = Settings(max_file=limit, max_text=limit)

    refused = [check_frame(Descriptor(type, 0, limit + 1), settings) for type in (FILE, UTF8)]

    assert {str(each) for each in refused} == {f"The content is too large; the limit is {said}."}


# Headers


def test_a_header_is_read_by_the_rules_of_its_type(spool: Spool) -> None:
    intake = intake_of(spool, frame(FILE, b"a.txt"), frame(UTF8, b'{"to": "bob"}', b"hi"))

    for expected in (ClientHeader(filename="a.txt"), ClientHeader(to="bob")):
        descriptor = intake.next()
        assert descriptor is not None
        assert intake.read_header(descriptor) == expected


@pytest.mark.parametrize(
    ("type", "header", "content", "notice"),
    [
        (UTF8, b'{"nonce": "n"}', b"", NoticeCode.EMPTY),
        (UTF8, b'{"nonce": "n"}', b"\xc3", NoticeCode.NOT_UTF8),
        (UTF8, b'{"nonce": "n"}', b"x" * 101, NoticeCode.TOO_LARGE),
        (MessageType.LOGIN, b'{"nonce": "n"}', b"", NoticeCode.BAD_TYPE),
    ],
)
def test_a_refusal_has_the_nonce_that_came(
    spool: Spool, type: MessageType, header: bytes, content: bytes, notice: NoticeCode
) -> None:
    refused = refusal(intake_of(spool, frame(type, header, content)))

    assert (refused.notice, refused.nonce) == (notice, "n")


@pytest.mark.parametrize("header", [b"raw", b"{", b"\xff", b'{"to": 7}'])
def test_what_is_wrong_with_the_frame_comes_before_what_is_wrong_with_its_header(
    spool: Spool, header: bytes
) -> None:
    assert refusal(intake_of(spool, frame(UTF8, header))).notice == NoticeCode.EMPTY
    assert refusal(intake_of(spool, frame(UTF8, header, b"hi"))).notice == NoticeCode.BAD_HEADER


def test_of_a_frame_that_is_far_too_large_the_header_is_not_waited_for(spool: Spool) -> None:
    descriptor = Descriptor(FILE, 14, 1_000_001).encode(ByteOrder.BIG)

    here = refusal(intake_of(spool, descriptor + b'{"nonce": "n"}'))
    not_here = refusal(intake_of(spool, descriptor + b"{"))

    assert (here.notice, here.nonce, here.fatal) == (NoticeCode.TOO_LARGE, "n", True)
    assert (not_here.notice, not_here.nonce, not_here.fatal) == (NoticeCode.TOO_LARGE, None, True)


@pytest.mark.parametrize(
    "refused",
    [
        frame(UTF8, b"raw", b"hi"),
        frame(UTF8, b"", b"\xff" * 50),
        frame(UTF8, b"", b"x" * 200_000),
        frame(MessageType.LOGOUT, b"", b"x" * 70_000),
        frame(FILE, b"{", LARGE),
    ],
)
@pytest.mark.parametrize("size", [1 << 20, 1000])
def test_what_is_refused_is_skipped_to_its_end(spool: Spool, refused: bytes, size: int) -> None:
    data = refused + frame(UTF8, b"", b"next")
    intake = intake_of(spool, *(data[i : i + size] for i in range(0, len(data), size)))
    refusal(intake)

    assert take(intake) == b"next"
    assert intake.next() is None


# Contents


@pytest.mark.parametrize("content", [b"", b"x", b"x" * MAX_IN_MEMORY])
def test_a_small_content_is_held_in_memory(spool: Spool, content: bytes) -> None:
    assert take(intake_of(spool, frame(FILE, b"", content))) == content
    assert spool.files == 0


@pytest.mark.parametrize("size", [1 << 20, 4096])
def test_a_large_content_goes_to_a_file(spool: Spool, size: int) -> None:
    content = LARGE[: MAX_IN_MEMORY + 1]
    data = frame(FILE, b"", content) + frame(UTF8, b"", b"next")
    intake = intake_of(spool, *(data[i : i + size] for i in range(0, len(data), size)))

    file = take(intake)

    assert isinstance(file, SpooledFile)
    with open(f"/proc/self/fd/{file.fileno()}", "rb") as again:
        assert again.read() == content
    assert file.owner == "alice"
    assert take(intake) == b"next"
    file.release()
    assert spool.used == 0


def test_a_large_text_stays_in_memory(spool: Spool) -> None:
    content = b"x" * (MAX_IN_MEMORY + 1)
    reader = FrameReader(ChunkedSocket([frame(UTF8, b"", content)]), ByteOrder.BIG)

    assert take(Intake(reader, Settings(max_text=1 << 20), spool, 1, lambda: None)) == content


@pytest.mark.parametrize(
    ("size", "bills"),
    [
        (BILLED_BYTES, 0),
        (BILLED_BYTES + 1, 1),
        (3 * BILLED_BYTES, 2),
        (3 * BILLED_BYTES + 1, 3),
    ],
)
@pytest.mark.parametrize("header", [b"", b"{"], ids=["taken", "refused"])
def test_of_a_large_content_each_further_part_is_billed_before_it_comes(
    tmp_path: Path, header: bytes, size: int, bills: int
) -> None:
    billed: list[int] = []
    data = frame(FILE, header, bytes(size)) + frame(UTF8, b"", b"next")
    socket = ChunkedSocket([data[i : i + 100_000] for i in range(0, len(data), 100_000)])
    reader = FrameReader(socket, ByteOrder.BIG)
    spool = Spool(tmp_path, 1 << 30)
    intake = Intake(
        reader, Settings(), spool, "alice", lambda: None, lambda: billed.append(spool.used)
    )
    if header:
        refusal(intake)
    else:
        file = take(intake)
        assert isinstance(file, SpooledFile)
        file.release()

    assert take(intake) == b"next"
    assert len(billed) == bills


def test_without_space_a_content_is_refused_and_skipped(tmp_path: Path) -> None:
    intake = intake_of(
        Spool(tmp_path, 1000), frame(FILE, b'{"nonce": "n"}', LARGE), frame(UTF8, b"", b"next")
    )

    refused = refusal(intake)

    assert (refused.notice, refused.nonce) == (NoticeCode.NO_SPACE, "n")
    assert take(intake) == b"next"


def test_a_disk_that_fills_up_on_the_way_gives_its_space_back(
    monkeypatch: pytest.MonkeyPatch, spool: Spool
) -> None:
    written: list[int] = []

    def append(file: SpooledFile, data: memoryview) -> None:
        written.append(len(data))
        file.received += len(data)
        if len(written) == 3:
            raise NoSpaceError("The server has no space left for this attachment; try again later.")

    monkeypatch.setattr(spool_module.SpooledFile, "append", append)
    data = frame(FILE, b"", LARGE) + frame(UTF8, b"", b"next")
    intake = intake_of(spool, *(data[i : i + 4096] for i in range(0, len(data), 4096)))

    assert refusal(intake).notice == NoticeCode.NO_SPACE
    assert (spool.used, spool.files) == (0, 0)
    assert take(intake) == b"next"


def test_a_client_that_goes_in_the_middle_gives_its_space_back(spool: Spool) -> None:
    intake = intake_of(spool, frame(FILE, b"", LARGE)[:-1])

    with pytest.raises(IncompleteFrame):
        take(intake)

    assert (spool.used, spool.files) == (0, 0)


def test_a_greenlet_that_is_killed_in_the_middle_gives_its_space_back(spool: Spool) -> None:
    ours, peers = socket.socketpair()
    with ours, peers:
        intake = Intake(FrameReader(ours, ByteOrder.BIG), SETTINGS, spool, "alice", lambda: None)
        peers.sendall(frame(FILE, b"", LARGE)[:70_000])
        taking: gevent.Greenlet[Any, Any] = gevent.spawn(take, intake)
        wait_until(lambda: spool.used == len(LARGE), "the upload to begin")

        taking.kill(timeout=30)

    wait_until(lambda: spool.used == 0, "the thread that writes to end")
    assert spool.files == 0


def test_the_end_of_the_stream_between_frames_is_an_end(spool: Spool) -> None:
    assert intake_of(spool).next() is None


def test_what_is_skipped_is_skipped_to_its_end(spool: Spool) -> None:
    intake = intake_of(spool, frame(UTF8, b"raw", b"x" * 50) + frame(UTF8, b"", b"x" * 101))
    refusal(intake)
    intake.skip_rest()
    assert refusal(intake).notice is NoticeCode.TOO_LARGE
    intake.skip_rest()
    assert intake.next() is None


def test_the_end_of_the_stream_in_what_is_skipped_is_none(spool: Spool) -> None:
    intake = intake_of(spool, frame(UTF8, b"raw", b"x" * 50)[:-1])
    refusal(intake)

    with pytest.raises(IncompleteFrame):
        intake.next()
