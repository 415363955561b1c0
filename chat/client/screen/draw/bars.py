"""Draw the title line and the status line, with as many parts as fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from chat.client.frontends.wording import UNCONFIRMED
from chat.client.screen.input.keys import Action
from chat.client.screen.input.own_keys import USUAL_KEYS, OwnKeys
from chat.client.screen.model.model import ONLY_ROOM, Model
from chat.client.screen.model.rooms import ANNOUNCEMENTS, CLOSED, NOT_INSIDE, room_sign
from chat.client.screen.model.search import Search, ServerState
from chat.client.screen.model.views import Page, View
from chat.client.screen.text.cells import cells, elide
from chat.client.screen.text.spans import Row, Span, clip_row, fill_row, row_width
from chat.client.screen.text.styles import STATUS, STATUS_ACTIVE, STATUS_ALERT, TITLE, TOPIC
from chat.sanitize import sanitize

_SEPARATOR = " │ "
# How the list of views becomes shorter, step by step: the longest name in cells, and whether only the view that is
# shown and those with unread messages keep their names.
_SHORTENINGS = ((20, False), (10, False), (10, True), (5, True), (3, True))
# Views whose numbers are all shown, however narrow the screen is.
_FEW = 9
_OTHERS = Span("[…]", STATUS)


def title_line(model: Model, width: int, keys: OwnKeys = USUAL_KEYS) -> Row:
    """Return the title: the address, the own name, how many users are here, and whether the connection is encrypted.

    Only what is known: during a login, and without a connection, that is less.
    """
    if model.page is not None:
        return _title_of_page(model.page, width, keys)
    name = sanitize(model.username) if model.is_named else ""
    where, here = _place(model), model.count_here
    count = "" if here is None else f"{here} here"
    secrecy = {True: "encrypted", False: "not encrypted", None: ""}[model.encrypted]
    # The least important part goes first.
    choices = ((where, name, count, secrecy), (where, name, secrecy), (where, name))
    texts = (_SEPARATOR.join(filter(None, parts)) for parts in choices)
    # Two cells for the blanks at both ends.
    text = next((text for text in texts if cells(text) + 2 <= width), where)
    return fill_row([Span(elide(f" {text}", width), TITLE)], width, TITLE)


def _place(model: Model) -> str:
    """Return where the user is: the room or the other user, and the address of the server."""
    view, at = model.current, model.address
    if view.peer is not None:
        return f"{sanitize(view.peer)} alone, at {at}"
    room = view.room
    if room is None or (room.name is None and not model.has_rooms):
        return at
    kinds = {CLOSED: ", closed", ANNOUNCEMENTS: ", announcements", NOT_INSIDE: ", not joined"}
    return f"{sanitize(model.name_of(view))}{kinds.get(room_sign(room), '')}, at {at}"


def topic_line(model: Model, width: int) -> Row | None:
    """Return the topic of the room that is shown; None if there is none."""
    room = model.current.room
    if model.page is not None or room is None or not room.topic:
        return None
    words = " ".join(sanitize(" ".join(room.topic.split())).split())
    return fill_row([Span(elide(f" {words}", width), TOPIC)], width, TOPIC)


def _title_of_page(page: Page, width: int, keys: OwnKeys) -> Row:
    """Return the title of a page, which says how to leave it."""
    up, down = keys.name_of(Action.PAGE_UP), keys.name_of(Action.PAGE_DOWN)
    moves = f"{up} and {down} move" if up and down else ""
    closes = keys.hint(Action.BACK, " closes") or "/close closes"
    parts = [*filter(None, (page.title, closes, moves, keys.hint(Action.SEARCH, " searches")))]
    while len(parts) > 2 and cells(_SEPARATOR.join(parts)) + 2 > width:
        parts.pop()
    return fill_row([Span(elide(f" {_SEPARATOR.join(parts)}", width), TITLE)], width, TITLE)


def status_line(
    model: Model, width: int, keys: OwnKeys = USUAL_KEYS, *, lists_views: bool = True
) -> Row:
    """Return the status line, the most urgent part first.

    ``lists_views``: all open views are in it, rather than the one that is shown.
    """
    urgent = _connection(model)
    further = [*_search(model), *_below(model), *_leaving(model, keys)]
    taken = sum(cells(_SEPARATOR + part.text) for part in (*urgent, *further))
    row: Row = []
    for part in (
        *([span] for span in urgent),
        _views(model, width - taken - 1, only_shown=not lists_views),
        *([span] for span in (*further, *_transfers(model))),
    ):
        row += [Span(_SEPARATOR if row else " ", STATUS), *part]
    hints = (f"{_SEPARATOR}{hint}" for hint in _hints(model, keys) if hint)
    hint = next((hint for hint in hints if row_width(row) + cells(hint) < width), "")
    row += [Span(hint, STATUS)] if hint else []
    return fill_row(clip_row(row, width), width, STATUS)


def _hints(model: Model, keys: OwnKeys) -> tuple[str, ...]:
    """Return the keys that lead out of what is shown: a search, an older part of the log, a private view.

    A shorter hint follows for a line that has no room for the first.
    """
    search = model.search
    if model.leaves_if_cleared:
        return ()
    if model.switcher is not None:
        back = keys.hint(Action.SWITCH_CANCEL, ": back")
        return ", ".join(filter(None, (keys.hint(Action.SWITCH_ACCEPT, ": go there"), back))), back
    if model.question is not None:
        if search is None or not search.text or not search.is_in(model.shown):
            return ()
        has_more = search.place is not None and (search.place.total > 1 or search.place.has_more)
        steps = map(keys.name_of, (Action.SEARCH_OLDER, Action.SEARCH_NEWER))
        others = ", ".join(filter(None, steps)) if has_more else ""
        back = keys.hint(Action.SEARCH_CANCEL, ": back")
        return ", ".join(filter(None, (others and f"{others}: other matches", back))), back
    if model.page is not None:
        return ()  # the title names the keys
    if model.shown.anchor is not None:
        return (keys.hint(Action.BACK, ": to the end"),)
    if model.current.peer is None:
        return ()
    return (keys.hint(Action.VIEW, ": to the room", view=1),)


def _connection(model: Model) -> list[Span]:
    if model.is_changing:
        return [Span("going to another server", STATUS_ALERT)]
    if model.is_online and model.lag:
        return [Span(f"no answer for {model.lag:.0f} s", STATUS_ALERT)]
    if model.is_online and model.unconfirmed is not None:
        return [Span(f"{UNCONFIRMED}, for {model.unconfirmed:.0f} s", STATUS_ALERT)]
    if model.is_online:
        return []
    if model.is_dismissed:
        return [Span("no connection: /reconnect or /quit", STATUS_ALERT)]
    if model.retry_in is None:
        # A login that waits for an answer of the user, such as a password, connects only after the answer.
        is_asked = model.question is not None and model.search is None
        return [] if is_asked else [Span("connecting", STATUS_ALERT)]
    seconds = round(model.retry_in)
    when = f"next try in {seconds} s" if seconds > 0 else "trying again"
    return [Span(f"no connection, {when}", STATUS_ALERT)]


def _below(model: Model) -> list[Span]:
    view = model.shown
    if view.anchor is None:
        return []
    if view is model.page:
        return [Span("more below", STATUS)]
    return [Span(f"{view.unread} new below" if view.unread else "scrolled up", STATUS_ALERT)]


def _leaving(model: Model, keys: OwnKeys) -> list[Span]:
    if not model.leaves_if_cleared:
        return []
    return [Span(keys.hint(Action.CLEAR, " again leaves"), STATUS_ALERT)]


def _search(model: Model) -> list[Span]:
    search = model.search
    if search is None or not search.text or not search.is_in(model.shown):
        return []
    if search.problem is not None:
        return [Span(f"search: {sanitize(search.problem)}", STATUS)]
    place = search.place
    if place is None:
        is_asking = search.may_have_more and search.server is not ServerState.FAILED
        words = "search: " + ("asking the server" if is_asking else "not found")
        return [Span(words + _refusal(search), STATUS)]
    words = f"search: {place.number} of {place.total}{'+' if place.has_more else ''}"
    if search.waits:
        words += ", asking the server"
    if search.failed:
        words += ", none below" if search.goes_newer else ", none above"
    return [Span(words + _refusal(search), STATUS)]


def _refusal(search: Search) -> str:
    return "" if search.refusal is None else f"; {sanitize(search.refusal)}"


def _views(model: Model, width: int, *, only_shown: bool) -> Row:
    """Return all open views, such as ``[1 room] [2 bob 3]``; shortened if they are wider than ``width``."""
    views = [*enumerate(model.views, 1)]
    if only_shown:
        views = [pair for pair in views if pair[1] is model.shown]
    page = [] if model.page is None else [Span(f"[{model.page.title}]", STATUS_ACTIVE)]
    spans: Row = []
    for longest, is_brief in _SHORTENINGS:
        spans = [_view(model, number, view, longest, is_brief) for number, view in views] + page
        if _width(spans) <= width:
            return _apart(spans)
    if len(views) <= _FEW:
        return _apart(spans)
    # So many that their numbers alone are too wide: the one that is shown, and what is for the user, come first.
    urgent = sorted(
        (pair for pair in views if pair[1].badge.unread and pair[1] is not model.shown),
        key=lambda pair: (not pair[1].badge.calls, pair[0]),
    )
    chosen = [pair for pair in views if pair[1] is model.shown]
    for pair in urgent:
        spans = [_view(model, *each, longest, is_brief) for each in (*chosen, pair)] + page
        if _width([*spans, _OTHERS]) > width:
            break
        chosen.append(pair)
    spans = [_view(model, *each, longest, is_brief) for each in sorted(chosen, key=itemgetter(0))]
    return _apart([*spans, _OTHERS, *page])


def _width(spans: Sequence[Span]) -> int:
    return sum(cells(span.text) + 1 for span in spans) - 1


def _apart(spans: Iterable[Span]) -> Row:
    """Return spans with a blank between each two."""
    row: Row = []
    for span in spans:
        row += [Span(" ", STATUS), span] if row else [span]
    return row


def _view(model: Model, number: int, view: View, longest: int, is_brief: bool) -> Span:
    longest = max(longest, cells(ONLY_ROOM)) if view is model.default else longest
    name = elide(sanitize(model.name_of(view)), longest)
    # Unread messages in what is shown are below it, which the status line says.
    if view is model.shown:
        return Span(f"[{number} {name}]", STATUS_ACTIVE)
    unread, calls = view.badge
    words = f"{number}" if is_brief and not unread else f"{number} {name}"
    if unread:
        words += f" {unread}"
    return Span(f"[{words}]", STATUS_ALERT if calls else STATUS)


def _transfers(model: Model) -> list[Span]:
    return [
        Span(
            f"{'sending' if transfer.outgoing else 'fetching'} {transfer.number}. "
            f"{elide(sanitize(transfer.filename), 20)} {model.rates.describe(transfer)}",
            STATUS,
        )
        for transfer in model.running.values()
    ]
