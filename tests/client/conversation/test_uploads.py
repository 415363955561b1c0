from __future__ import annotations

import os
import re
import shutil
import tarfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

import gevent
import pytest

from chat.client.connection.in_flight import Place
from chat.client.connection.receipts import Receipt
from chat.client.conversation import uploads
from chat.client.conversation.commands import Availability, parse_line
from chat.client.conversation.requests import SendFile
from chat.client.conversation.transfer_list import Transfer, TransferList, TransferState
from chat.client.conversation.unacknowledged import Outgoing
from chat.client.conversation.uploads import Uploads, expand
from chat.client.errors import NotSent, TransferFailed
from chat.client.resuming.resumer import Resumer
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.finding import open_given, owner_of
from chat.client.state.pending_upload import PendingUpload
from chat.protocol.descriptor import MessageType
from tests.client.fake_connection import FakeConnection, run_until_idle

INLINE = 100


class Desk:
    """Uploads at work."""

    def __init__(self, resumer: Resumer | None = None) -> None:
        self.connection = FakeConnection(inline=INLINE)
        self.transfers = TransferList()
        self.told: list[tuple[int, TransferState]] = []
        self.tasks: list[gevent.Greenlet[..., None]] = []
        self.uploads = Uploads(self.transfers, self._tell, self._spawn, resumer)

    def _tell(self, transfer: Transfer) -> None:
        self.told.append((transfer.number, transfer.state))

    def _spawn(self, function: object, *arguments: object) -> None:
        self.tasks.append(gevent.spawn(function, *arguments))  # type: ignore[call-overload]

    def send(self, path: Path | str, kind: MessageType = MessageType.FILE) -> Receipt | None:
        item = Outgoing(SendFile(str(path), kind, "alice"), "tag")
        return self.uploads.send(item, self.connection.as_connection)

    def finish(self) -> None:
        gevent.joinall(self.tasks, timeout=30, raise_error=True)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large file"
    path.write_bytes(b"x" * (INLINE + 1))
    return path


def test_an_upload_of_an_earlier_run_does_not_go_on_with_a_file_that_has_changed(
    large: Path, tmp_path: Path
) -> None:
    resumer = Resumer(GEVENT, lambda message: None)
    resumer.use(open_given(tmp_path / "state", owner_of("localhost", "bob")).memory)
    with closing(resumer):
        status = large.stat()
        kept = (str(large), int(MessageType.FILE), "alice", status.st_size)
        resumer.memory.keep_upload(PendingUpload("same", *kept, status.st_mtime_ns))
        resumer.memory.keep_upload(PendingUpload("changed", *kept, 1))
        desk = Desk(resumer)
        for _ in range(2):  # with the next connection, nothing is begun again
            desk.uploads.go_on()
            desk.finish()
        [waiting] = resumer.queue.unanswered()
        assert (waiting.nonce, waiting.only_goes_on, waiting.to) == ("same", True, "alice")
        [failed] = desk.transfers.all()
        assert failed.problem == "The upload cannot go on: the file has changed."
        assert [upload.nonce for upload in resumer.memory.uploads()] == ["same"]


def test_a_small_file_is_sent_in_the_order_of_what_is_said(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(b"GIF89a".ljust(INLINE, b"x"))
    receipt = desk.send(path, MessageType.IMAGE)
    assert receipt is not None
    assert receipt.kind is MessageType.IMAGE
    assert receipt.to == "alice"
    assert not desk.transfers.all()


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (MessageType.IMAGE, "notes.txt does not look like a picture; send it as a file instead."),
        (MessageType.VOICE, "notes.txt does not look like a recording; send it as a file instead."),
    ],
)
def test_a_text_is_no_picture_and_no_recording(
    desk: Desk, tmp_path: Path, kind: MessageType, sentence: str
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("remember the milk\n" * INLINE)
    with pytest.raises(NotSent, match=re.escape(sentence)):
        desk.send(path, kind)
    with pytest.raises(NotSent, match=r"is a directory; send it as a file instead\.$"):
        desk.send(tmp_path, kind)
    assert not desk.transfers.all()
    assert desk.send(path) is None


@pytest.mark.parametrize("path", ["", "  "])
def test_no_path_is_not_the_current_directory(desk: Desk, path: str) -> None:
    with pytest.raises(NotSent, match="The path is empty"):
        desk.send(path)
    assert not desk.transfers.all()


def test_a_directory_is_sent_only_to_who_may_mean_one(desk: Desk, tmp_path: Path) -> None:
    request = SendFile(str(tmp_path), allows_directory=False)
    with pytest.raises(NotSent, match=f'{tmp_path} is a directory: add "directory": true'):
        desk.uploads.send(Outgoing(request), desk.connection.as_connection)
    assert not desk.transfers.all()


def test_a_large_file_is_a_transfer(desk: Desk, large: Path) -> None:
    assert desk.send(large) is None
    transfer = desk.transfers[1]
    assert (transfer.filename, transfer.size, transfer.peer) == ("large file", 101, "alice")
    assert transfer.asked
    assert transfer.tag == "tag"
    desk.finish()
    assert desk.told == [(1, TransferState.RUNNING), (1, TransferState.DONE)]
    assert desk.connection.contents == [large.read_bytes()]


class GrowingFileConnection(FakeConnection):
    """A connection whose file grows as soon as the limit is looked at."""

    def __init__(self, path: Path) -> None:
        self._path: Path | None = None
        super().__init__(inline=INLINE)
        self._path = path

    @property
    def most_inline(self) -> int:
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(b"y" * INLINE)
        return self.limits.inline

    @most_inline.setter
    def most_inline(self, inline: int) -> None:
        assert inline == INLINE


def test_a_small_file_that_grows_meanwhile_goes_with_the_bytes_it_had(
    desk: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "growing.log"
    path.write_bytes(b"x" * INLINE)
    desk.connection = GrowingFileConnection(path)
    receipt = desk.send(path)
    assert receipt is not None
    assert desk.connection.contents == [b"x" * INLINE]
    assert desk.connection.in_flight.at(Place.SENT) == [receipt]
    assert path.stat().st_size > INLINE


def test_a_dropped_path_is_read_as_a_shell_word_if_it_names_nothing(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "a (1).txt").write_bytes(b"meant")
    line = rf"/file {tmp_path}/a\ \(1\).txt"
    request = parse_line(line, Availability.PLAIN)
    assert isinstance(request, SendFile)
    desk.uploads.send(Outgoing(request), desk.connection.as_connection)
    assert desk.connection.contents == [b"meant"]
    (tmp_path / r"a\ \(1\).txt").write_bytes(b"literal")
    desk.uploads.send(Outgoing(request), desk.connection.as_connection)
    assert desk.connection.contents == [b"meant", b"literal"]


def test_a_program_names_its_paths_exactly(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "a b").touch()
    with pytest.raises(NotSent, match="No such file"):
        desk.send(rf"{tmp_path}/a\ b")


def test_a_missing_path_is_named_without_its_quotes(desk: Desk) -> None:
    request = parse_line("/image '/nowhere/it'\\''s.png'", Availability.PLAIN)
    assert isinstance(request, SendFile)
    with pytest.raises(NotSent, match=r"Can't read /nowhere/it's\.png: No such file"):
        desk.uploads.send(Outgoing(request), desk.connection.as_connection)


def test_a_directory_is_sent_as_a_tar(desk: Desk, tmp_path: Path) -> None:
    directory = tmp_path / "holiday"
    directory.mkdir()
    (directory / "notes").write_bytes(b"sun")
    desk.send(directory)
    desk.finish()
    assert desk.transfers[1].filename == "holiday.tar"
    assert desk.transfers[1].state is TransferState.DONE
    with tarfile.open(fileobj=BytesIO(desk.connection.contents[0])) as tar:
        assert tar.getnames() == ["holiday", "holiday/notes"]


def test_a_directory_that_is_too_large(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * (desk.connection.limits.max_file + 1))
    desk.send(tmp_path)
    desk.finish()
    assert desk.transfers[1].state is TransferState.FAILED
    assert "too large: the limit is" in (desk.transfers[1].problem or "")


def test_an_original_server_has_no_transfers(desk: Desk, large: Path) -> None:
    desk.connection = FakeConnection(original=True, inline=1000)
    assert desk.send(large) is not None


def test_only_a_few_at_a_time(desk: Desk, large: Path) -> None:
    desk.connection.transfers_wait.clear()
    for _ in range(4):
        desk.send(large)
    run_until_idle()
    assert [t.state for t in desk.transfers.all()].count(TransferState.RUNNING) == uploads.AT_ONCE
    desk.connection.transfers_wait.set()
    desk.finish()
    assert desk.connection.most_at_once == uploads.AT_ONCE
    assert all(t.state is TransferState.DONE for t in desk.transfers.all())


def test_one_that_breaks_is_told(desk: Desk, large: Path) -> None:
    desk.connection.refuse_with = TransferFailed("The line broke.")
    desk.send(large)
    desk.finish()
    assert desk.transfers[1].state is TransferState.FAILED
    assert desk.transfers[1].problem == "The line broke."


def test_cancelling(desk: Desk, large: Path) -> None:
    desk.connection.transfers_wait.clear()
    for _ in range(3):
        desk.send(large)
    run_until_idle()
    desk.transfers[3].cancel()
    desk.transfers[1].cancel()
    desk.finish()
    states = [transfer.state for transfer in desk.transfers.all()]
    assert states[0] is states[2] is TransferState.CANCELLED
    assert len(desk.connection.contents) == 2  # the third never began


@pytest.mark.parametrize("name", ["nowhere", "a\0b", "pipe"])
def test_what_is_no_file(desk: Desk, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotSent):
        desk.send(f"{tmp_path}/{name}")


@pytest.mark.parametrize("path", [".", ".."])
def test_a_directory_that_was_removed_under_us(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "gone" / "away").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "gone" / "away")
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(NotSent, match="No such file or directory"):
        desk.send(path)


def test_home_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/bob")
    assert expand("~/x") == Path("/home/bob/x")
    assert expand("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


def test_a_file_that_a_connection_does_not_take_inline_is_a_transfer(
    desk: Desk, tmp_path: Path
) -> None:
    # A server may announce a limit above the one of this client.
    desk.connection.most_inline = INLINE - 1
    path = tmp_path / "file"
    path.write_bytes(b"x" * INLINE)
    assert desk.send(path) is None
    run_until_idle()
    desk.connection.answer()
    desk.finish()
    assert [transfer.filename for transfer in desk.transfers.all()] == ["file"]
