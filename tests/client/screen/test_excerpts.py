"""A day far back stands in place of the log, grows at both ends, and becomes a part of the log where it meets it."""

from __future__ import annotations

import pytest

from chat.client.screen.model import views
from chat.client.screen.model.excerpt import Excerpt
from tests.client.screen.desks import Desk
from tests.client.screen.earlier_log import EarlierLog, asked, log_rows, numbers, said


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestDates:
    """The log is at one message a minute, from the start of 2026-11-20 (UTC) on."""

    @pytest.fixture
    def log(self, desk: Desk) -> EarlierLog:
        log = EarlierLog(desk, 4000)
        log.replay(30)
        desk.type("/history 2026-11-21<enter>")
        return log

    def test_a_day_stands_in_place_of_the_log(self, desk: Desk, log: EarlierLog) -> None:
        log.answer()
        assert isinstance(desk.model.page, Excerpt)
        assert "messages since 2026-11-21 00:00" in desk.screen()[0]
        assert said(desk)[0].endswith("text 1440")
        log.say()
        assert numbers(desk.model.default)[-1] == 4001, "the log goes on meanwhile"
        desk.type("<esc>")
        assert desk.model.page is None
        assert log_rows(desk)[-1].endswith("text 4001")

    def test_the_first_row_is_that_of_the_day(self, desk: Desk, log: EarlierLog) -> None:
        log.answer()
        rows = log_rows(desk)
        assert "Saturday, 21 November 2026" in rows[0]
        log.answer()
        assert log_rows(desk) == rows

    def test_it_grows_at_both_ends(self, desk: Desk, log: EarlierLog) -> None:
        log.answer()
        assert asked(desk).before == 1440, "what is above is fetched before it is needed"
        before = said(desk)
        log.answer()
        assert said(desk)[-len(before) :] == before
        page = desk.model.page
        assert page is not None
        desk.type("<pagedown>" * 20)
        before = log_rows(desk)
        log.answer()
        assert log_rows(desk) == before
        assert numbers(page) == list(range(1340, 1640))

    def test_where_it_meets_the_log_it_becomes_a_part_of_it(
        self, desk: Desk, log: EarlierLog
    ) -> None:
        log.answer()
        while desk.model.page is not None:
            log.most = 7
            desk.type("<pagedown>")
            before = log_rows(desk)
            while log.answer():
                assert log_rows(desk) == before
        room = numbers(desk.model.default)
        assert room == list(range(room[0], 4001))
        desk.type("<pagedown>" * 60)
        assert desk.model.default.anchor is None
        assert desk.screen()[-3].endswith("text 4000")

    def test_it_stays_whole_when_it_is_full(
        self, desk: Desk, log: EarlierLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log.answer()
        page = desk.model.page
        assert isinstance(page, Excerpt)
        monkeypatch.setattr(views, "MAX_ENTRIES", 150)
        older = desk.asked.pop()
        # In another task of the screen, as soon as the reader is near the other end.
        desk.controller.reading_back._asked, rest = {}, desk.controller.reading_back._asked
        desk.controller.reading_back._fetch(page, after=page.ends_with)
        newer = desk.asked.pop()
        desk.controller.reading_back._asked.update(rest)
        # The older ones push the newest out, and the newer ones follow them no more.
        for answered in (older, newer):
            desk.asked = [answered]
            log.answer()
        shown = numbers(page)
        assert shown == list(range(1340, 1490))
        desk.type("<alt->>")
        log.answer()
        shown = numbers(page)
        assert shown == list(range(1440, 1590)), "and what was dropped comes again"

    def test_a_day_that_is_in_the_log_already(self, desk: Desk, log: EarlierLog) -> None:
        desk.asked.clear()
        other = EarlierLog(Desk(), 1460)
        other.replay(30)
        other.desk.type("/history 2026-11-21<enter>")
        other.answer()
        assert other.desk.model.page is None
        assert log_rows(other.desk)[1].endswith("text 1440")

    def test_a_day_without_messages(self, desk: Desk) -> None:
        log = EarlierLog(desk, 10)
        desk.type("/history 2027-01-01<enter>")
        request = asked(desk)
        assert request.at is not None
        log.last = 0
        log.answer()
        assert desk.log()[-1] == "-- no messages since 2027-01-01 00:00"
