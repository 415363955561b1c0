"""Format an entry of the log as lines of spans, before they are wrapped.

The first line begins with the time, at the edge of the screen; further lines will be indented. So no text can look like
another entry, whatever its sender writes. All text from a peer is sanitized here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

from chat.client.conversation.transfer_list import TransferState
from chat.client.frontends.clock import shown_time
from chat.client.frontends.wording import (
    ACTION,
    ELSEWHERE,
    KINDS,
    REMOVED,
    doubt_line,
    gets_it_later,
    leave_reason,
    percent,
    settled_line,
    some_names,
    transfer_state,
)
from chat.client.screen.model.entries import (
    Doubtful,
    Entry,
    Movement,
    PageLine,
    Pending,
    Remark,
    Said,
    Shared,
    Step,
    Unsent,
)
from chat.client.screen.model.search import EntryMatcher
from chat.client.screen.text.spans import Finder, Row, Span, mark
from chat.client.screen.text.styles import (
    CURRENT_MATCH,
    DIM,
    EARLIER,
    ERROR,
    HEADING,
    MATCH,
    MENTION,
    OWN_NAME,
    PENDING,
    PERHAPS,
    PRIVATE,
    TEXT,
    name_style,
)
from chat.sanitize import lines_under, sanitize
from chat.sizes import byte_count

# Returns a row for each of the lines of a text, with the same characters; the second argument is the style of the text.
StyleText: TypeAlias = Callable[[Sequence[str], str], list[Row]]

_BAR_CELLS = 10
_NO_TIME = Span("", DIM)


def entry_lines(
    entry: Entry,
    mentions: Finder | None = None,
    match: EntryMatcher | None = None,
    *,
    is_current: bool = False,
    styled: StyleText | None = None,
) -> list[Row]:
    """Return the lines of ``entry``, at least one.

    ``mentions`` finds the user's own name, ``match`` what was searched for; both are marked. ``is_current``: this is
    the current match of the search. Its time is marked too, because the text that matches may be far below.
    ``styled`` gives the lines of users' texts the styles of their markup.
    """
    lines = _said(entry, styled) if type(entry) is Said else _LINES[type(entry)](entry)
    (time, *first), *further = lines
    # The time is kept apart, so that neither a name nor a search can mark it.
    if mentions is not None and isinstance(entry, Said) and entry.mentions:
        first, *further = (mark(line, mentions, MENTION) for line in (first, *further))
    # A text that is searched for may also stand in the client's words of an entry that does not match.
    if match is not None and match.matches(entry):
        style = CURRENT_MATCH if is_current else MATCH
        first, *further = (mark(line, match, style) for line in (first, *further))
    if is_current:
        time = Span(time.text, CURRENT_MATCH)
    return [[time, *first], *further]


def local_day(moment: datetime) -> date | None:
    """Return the day of ``moment`` in the reader's time zone; None for a moment that the system can't convert."""
    try:
        # A server may send a year at the end of the range of datetime, where the conversion to local time fails.
        return moment.astimezone().date()
    except (ValueError, OverflowError, OSError):
        return None


def day_name(day: date | None) -> str:
    """Return a date such as ``Tuesday, 24 November 2026``."""
    return "another day" if day is None else f"{day:%A}, {day.day} {day:%B} {day.year}"


def movement_phrases(steps: Iterable[Step]) -> list[str]:
    """Summarize joins and leaves as ``alice and bob joined``, ``carol left (timed out)``.

    Each user appears once, with the result of all their steps.
    """
    first: dict[str, bool] = {}
    last: dict[str, Step] = {}
    for step in steps:
        first.setdefault(step.name, step.joined)
        last[step.name] = step
    groups: dict[str, list[str]] = {}
    for name, step in last.items():
        reason = "" if step.joined else leave_reason(step.reason)
        if step.joined:
            verb = "joined" if first[name] else "came back"
        elif first[name] and not reason:
            verb = "came and went"
        else:
            # A kick or a ban, for example, is news that no summary may hide.
            verb = f"joined and left{reason}" if first[name] else f"left{reason}"
        groups.setdefault(verb, []).append(name)
    return [f"{some_names(names)} {verb}" for verb, names in groups.items()]


def progress_bar(share: int) -> str:
    """Return a bar such as ``###-------``, for a ``share`` of 30 per cent."""
    filled = share * _BAR_CELLS // 100
    return "#" * filled + "-" * (_BAR_CELLS - filled)


def _said(said: Said, styled: StyleText | None = None) -> list[Row]:
    base = EARLIER if said.earlier else PRIVATE if said.to is not None else TEXT
    name = OWN_NAME if said.own else MENTION if said.mentions else name_style(said.sender)
    speaker = [Span(sanitize(said.sender), name), *_elsewhere(said)]
    return _speech(said.moment, speaker, said.to, said.text, base, styled) + _waiting(said)


def _elsewhere(message: Said | Shared) -> Row:
    """Return the mark of a message that another device of the user sent. No name has a bracket in it."""
    return [Span(f" ({ELSEWHERE})", DIM)] if message.elsewhere else []


def _waiting(message: Said | Shared) -> list[Row]:
    if not message.waits or message.to is None:
        return []
    return [[Span(gets_it_later(message.to), DIM)]]


def _speech(
    moment: datetime,
    speaker: Row,
    to: str | None,
    text: str,
    style: str,
    styled: StyleText | None = None,
) -> list[Row]:
    receiver = Span(_receiver(to), style)
    if text.startswith(ACTION):
        text = text.removeprefix(ACTION)
        head, end = [Span("* ", style), *speaker, receiver], " "
    else:
        head, end = [Span("[", style), *speaker, receiver], "]: "
    lines = lines_under(text)
    first, *further = styled(lines, style) if styled else [[Span(line, style)] for line in lines]
    head += [Span(end, style), *first] if lines[0] else [Span(end.rstrip(), style)]
    return [[_time(moment), *head], *further]


def _shared(shared: Shared) -> list[Row]:
    style = EARLIER if shared.earlier else PRIVATE if shared.to is not None else TEXT
    size = REMOVED if shared.size is None else f"({byte_count(shared.size)})"
    what = f" sent {KINDS[shared.kind]}{_to(shared.to)}: "
    line = [
        _time(shared.moment),
        Span("-- ", style),
        Span(sanitize(shared.sender), OWN_NAME if shared.own else name_style(shared.sender)),
        *_elsewhere(shared),
        Span(f"{what}{sanitize(shared.filename)} {size}", style),
    ]
    transfer = shared.transfer
    if transfer is not None:
        bar = (
            f"[{progress_bar(percent(transfer))}] "
            if transfer.state is TransferState.RUNNING
            else ""
        )
        line.append(Span(f", number {transfer.number}: {bar}{transfer_state(transfer)}", style))
    return [line, *_waiting(shared)]


def _movement(movement: Movement) -> list[Row]:
    return [
        [_time(movement.moment), Span(f"-- {'; '.join(movement_phrases(movement.steps))}", DIM)]
    ]


def _remark(remark: Remark) -> list[Row]:
    first, *further = (Span(sanitize(line), remark.style) for line in remark.lines)
    return [[_time(remark.moment), Span("-- ", remark.style), first], *([line] for line in further)]


def _page_line(line: PageLine) -> list[Row]:
    return [[_NO_TIME, Span(sanitize(line.text), HEADING if line.is_heading else TEXT)]]


def _pending(pending: Pending) -> list[Row]:
    lines = _own(pending, PENDING)
    transfer = pending.transfer
    if transfer is not None:
        share = percent(transfer)
        lines[-1].append(Span(f": [{progress_bar(share)}] {share} %", PENDING))
    lines[-1].append(Span(" …", PENDING))
    return lines


def _unsent(unsent: Unsent) -> list[Row]:
    lines = _own(unsent.what, ERROR)
    return [*lines, [Span(f"not sent: {sanitize(unsent.problem)}", ERROR)]]


def _doubtful(doubtful: Doubtful) -> list[Row]:
    line, outcome = doubtful.doubt.line, doubtful.outcome
    style = PERHAPS if outcome is None else DIM
    words = doubt_line(doubtful.doubt) if outcome is None else settled_line(outcome)
    speaker = [Span(sanitize(doubtful.sender), style)]
    said = _speech(doubtful.moment, speaker, line.to, line.text, style)
    return [*said, [Span(words, style)]]


def _own(pending: Pending, style: str) -> list[Row]:
    if pending.kind is None:
        name = OWN_NAME if style == PENDING else style
        speaker = [Span(sanitize(pending.sender), name)]
        return _speech(pending.moment, speaker, pending.to, pending.text, style)
    what = f"-- sending {KINDS[pending.kind]}{_to(pending.to)}: {sanitize(pending.text)}"
    return [[_time(pending.moment), Span(what, style)]]


def _time(moment: datetime) -> Span:
    return Span(f"<{shown_time(moment)}> ", DIM)


def _receiver(to: str | None) -> str:
    return "" if to is None else f" -> {sanitize(to)}"


def _to(to: str | None) -> str:
    return "" if to is None else f" to {sanitize(to)} alone"


_LINES: dict[type, Callable[[Any], list[Row]]] = {
    Shared: _shared,
    Movement: _movement,
    Remark: _remark,
    PageLine: _page_line,
    Pending: _pending,
    Unsent: _unsent,
    Doubtful: _doubtful,
}
