from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client.desktop.programs import DesktopError
from chat.client.screen import notifications
from chat.client.screen.notifications import notification, notify_send
from chat.client.screen.text.cells import cells
from tests.client.desktop.programs import Programs

PLAIN: dict[str, str] = {}
IN_TMUX = {"TMUX": "socket,1,0"}
CONTROLS = set(map(chr, [*range(32), *range(127, 160)]))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _no_notifier_left() -> Iterator[None]:
    yield
    # Only the module knows the processes, and no test may leave one.
    for process in notifications._notifiers:
        process.kill()
        process.wait(timeout=30)
    notifications._notifiers.clear()


class TestNotification:
    def test_as_osc_9(self) -> None:
        assert notification("osc9", "alice", "lunch?", PLAIN) == b"\x1b]9;alice: lunch?\x07"

    def test_as_osc_777(self) -> None:
        found = notification("osc777", "алиса", "обед?", PLAIN)
        assert found == "\x1b]777;notify;алиса;обед?\x07".encode()

    @pytest.mark.parametrize("how", ["off", "notify-send", ""])
    def test_another_way_is_no_sequence(self, how: str) -> None:
        assert notification(how, "alice", "lunch?", PLAIN) is None

    def test_tmux_is_asked_to_hand_it_on(self) -> None:
        found = notification("osc9", "alice", "lunch?", IN_TMUX)
        assert found == b"\x1bPtmux;\x1b\x1b]9;alice: lunch?\x07\x1b\\"

    def test_the_terminal_is_told_by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TMUX", IN_TMUX["TMUX"])
        assert notification("osc9", "a", "b") == notification("osc9", "a", "b", IN_TMUX)
        monkeypatch.delenv("TMUX")
        assert notification("osc9", "a", "b") == notification("osc9", "a", "b", PLAIN)

    def test_no_picture_is_placed_in_it(self) -> None:
        found = notification("osc9", "a\U0010eeee", "b\U0010eeee\u0305", PLAIN)
        assert found == "\x1b]9;a�: b�\u0305\x07".encode()

    def test_a_text_of_several_lines_is_one(self) -> None:
        found = notification("osc777", "alice", " one\r\n\r\ntwo\tthree\n", PLAIN)
        assert found == b"\x1b]777;notify;alice;one two three\x07"

    def test_fields_stay_what_they_are(self) -> None:
        found = notification("osc777", "a;b", "c;d", PLAIN)
        assert found == b"\x1b]777;notify;a,b;c,d\x07"
        assert notification("osc9", "4;1;50", "x", PLAIN) == b"\x1b]9;4,1,50: x\x07"

    def test_a_long_text_is_cut(self) -> None:
        found = notification("osc777", "t" * 1000, "語" * 1000, PLAIN)
        assert found is not None
        _, _, title, body = found.decode()[2:-1].split(";")
        assert (title, cells(body)) == ("t" * 59 + "…", 199)

    @given(st.text(), st.text(), st.sampled_from(["osc9", "osc777"]))
    def test_nothing_in_a_text_is_interpreted(self, title: str, body: str, how: str) -> None:
        plain = notification(how, title, body, PLAIN)
        wrapped = notification(how, title, body, IN_TMUX)
        assert plain is not None
        assert wrapped is not None
        assert not CONTROLS & set(plain.decode()[2:-1])
        assert wrapped == b"\x1bPtmux;\x1b" + plain + b"\x1b\\"

    @pytest.mark.parametrize(
        "text", ["\x1b\\\x07" * 9, "\x9c\x9d", "\ud800", "\u202e", "e\u0301\u0301" * 5000]
    )
    def test_hostile_texts_are_short_and_sanitized(self, text: str) -> None:
        found = notification("osc777", text, text, PLAIN)
        assert found is not None
        assert len(found) < 2000
        assert found.count(b"\x1b") == found.count(b"\x07") == 1
        assert not set(found.decode()) & {"\x9c", "\x9d", "\u202e"}


class TestNotifySend:
    def test_title_and_body_arrive_as_they_are(self, programs: Programs) -> None:
        programs.install("notify-send")
        notify_send("-алиса; $(id)", "обед?\n'now'")
        assert programs.called_with() == [
            "--app-name=chat",
            "--",
            "-алиса; $(id)",
            "обед? 'now'",
        ]

    def test_a_body_has_no_markup_and_no_escapes(self, programs: Programs) -> None:
        programs.install("notify-send")
        notify_send("alice", r'<a href="x">\033 & \n')
        assert programs.called_with()[3] == r'&lt;a href="x"&gt;\\033 &amp; \\n'

    def test_nothing_it_prints_is_seen(
        self, programs: Programs, capfd: pytest.CaptureFixture[str]
    ) -> None:
        programs.install("notify-send")
        notify_send("alice", "lunch?")
        programs.called_with()
        assert capfd.readouterr() == ("", "")

    def test_it_is_missing(self, programs: Programs) -> None:
        with pytest.raises(DesktopError, match=r"^The program notify-send is not installed\.$"):
            notify_send("alice", "lunch?")

    def test_it_cannot_be_run(self, programs: Programs) -> None:
        (programs.directory / "notify-send").write_text("#!/nowhere/sh\n", encoding="utf-8")
        (programs.directory / "notify-send").chmod(0o755)
        with pytest.raises(DesktopError, match=r"^Can't start notify-send: No such file .*\.$"):
            notify_send("alice", "lunch?")

    def test_a_flood_does_not_fill_the_machine(self, programs: Programs) -> None:
        programs.install("notify-send", then="exec /bin/sleep 60")
        for _ in range(50):
            notify_send("alice", "lunch?")
        assert len(notifications._notifiers) == notifications._MAX_NOTIFIERS
        for process in notifications._notifiers:
            process.kill()
            process.wait(timeout=30)
        notify_send("alice", "still there?")
        assert len(notifications._notifiers) == 1
