from __future__ import annotations

from pathlib import Path

import pytest

from chat.client.connection.incoming import MAX_IN_MEMORY
from chat.client.conversation.disk.held import MAX_ONE
from chat.client.conversation.inbox import Inbox
from chat.client.errors import SaveFailed


@pytest.mark.parametrize(
    ("named", "max_save", "inline"),
    [
        (None, 1 << 30, 0),
        (Path("in"), 1 << 30, MAX_IN_MEMORY),
        (Path("in"), 1000, 1000),
        (Path("in"), 0, 0),
    ],
)
def test_a_server_is_to_send_at_once_only_what_is_saved_at_once(
    named: Path | None, max_save: int, inline: int
) -> None:
    assert Inbox(named, max_save).inline == inline


@pytest.mark.parametrize(
    ("named", "size", "saved"),
    [(None, 0, False), (None, 5, False), (Path("in"), 10, True), (Path("in"), 11, False)],
)
def test_only_a_named_directory_takes_anything_unasked(
    named: Path | None, size: int, saved: bool
) -> None:
    assert Inbox(named, 10).is_saved_unasked(size) is saved


def test_what_is_asked_for_goes_to_the_current_directory_if_none_is_named() -> None:
    assert Inbox(None, 10).directory == Path()
    assert Inbox(Path("in"), 10).directory == Path("in")


@pytest.mark.parametrize(
    ("named", "can_ask", "limit"),
    [
        (None, False, None),
        (None, True, MAX_ONE),
        (Path("in"), False, 10),
        (Path("in"), True, MAX_ONE),
    ],
)
def test_what_comes_with_its_message_is_kept_for_who_can_ask(
    named: Path | None, can_ask: bool, limit: int | None
) -> None:
    saver = Inbox(named, 10, can_ask=can_ask).saver
    assert (None if saver is None else saver.max_save) == limit


def test_what_is_over_the_limit_is_kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    inbox = Inbox(tmp_path / "in", 10)
    assert inbox.saver is not None
    small, large = inbox.saver.save("a", bytes(10)), inbox.saver.save("b", bytes(11))
    assert small.wait(20) == tmp_path / "in" / "a"
    assert large.wait(20).is_relative_to(tmp_path / "tmp")
    assert inbox.save_held(large, "b") == tmp_path / "in" / "b"
    assert (tmp_path / "in" / "b").read_bytes() == bytes(11)
    large.wait().unlink()
    with pytest.raises(SaveFailed, match="'b' is no longer available"):
        inbox.save_held(large, "b")
    inbox.close()
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a", "b"]
    assert not list((tmp_path / "tmp").iterdir())


def test_what_to_say_where_nobody_can_ask() -> None:
    assert Inbox(None, 10).why_not_saved is None
    assert "--save-directory=DIR" in (Inbox(None, 10, can_ask=False).why_not_saved or "")
    assert "--max-save" in (Inbox(Path("in"), 10, can_ask=False).why_not_saved or "")
