"""The checker must find each planted fault, and nothing in a recording as it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from tests.cluster import checker
from tests.cluster.checker import faults
from tests.cluster.fence_checks import faults_of_fences
from tests.cluster.figures import figures_of, waits
from tests.cluster.hand_made import ANNA, BORIS, E2, good_run, index_of, session_of
from tests.cluster.line_checks import faults_of_lines, faults_of_stored, lost_lines
from tests.cluster.log_checks import faults_of_live_numbers, faults_of_numbers, faults_of_views
from tests.cluster.order_checks import (
    faults_of_answers,
    faults_of_guest_names,
    faults_of_sending_order,
)
from tests.cluster.people_checks import (
    faults_of_memberships,
    faults_of_people,
    faults_of_privacy,
    faults_of_silenced,
)
from tests.cluster.recording import (
    LOBBY,
    Answered,
    Asked,
    Entered,
    Fate,
    Fetched,
    Heard,
    Left,
    Named,
    Recording,
    Sent,
    Stored,
    Told,
    Went,
)
from tests.tables import table

# Changes that plant faults


def change_heard(recording: Recording, client: str, said: str, **changes: Any) -> None:
    session = session_of(recording, client)
    at = index_of(session, said)
    heard = session.events[at]
    assert isinstance(heard, Heard)
    session.events[at] = heard._replace(**changes)


def drop_heard(recording: Recording, client: str, nonce: str, number: int = 1) -> Heard:
    session = session_of(recording, client, number)
    heard = session.events.pop(index_of(session, nonce))
    assert isinstance(heard, Heard)
    return heard


def change_stored(
    recording: Recording, log: str, change: Callable[[Stored], Stored], *servers: str
) -> None:
    recording.stored = [
        change(each) if each.log == log and each.server in (servers or ("one", "two")) else each
        for each in recording.stored
    ]


def without(nonce: str) -> Callable[[Stored], Stored]:
    return lambda stored: stored._replace(
        messages=tuple(each for each in stored.messages if each.nonce != nonce)
    )


def two_messages_with_one_number(recording: Recording) -> None:
    change_heard(recording, "boris", "z3", nonce="a4", digest="d-a4", sender="anna")


def one_message_with_two_numbers(recording: Recording) -> None:
    change_heard(recording, "boris", "z3", seq=77)


def time_runs_back(recording: Recording) -> None:
    for session, heard in list(recording.heard()):
        if heard.nonce == "z3":
            session.events[session.events.index(heard)] = heard._replace(time="t0000")
    change_stored(
        recording,
        LOBBY,
        lambda stored: stored._replace(
            messages=tuple(
                m._replace(time="t0000") if m.nonce == "z3" else m for m in stored.messages
            )
        ),
    )


def a_live_hole(recording: Recording) -> None:
    drop_heard(recording, "boris", "z1")


def a_message_from_before_the_head(recording: Recording) -> None:
    session = session_of(recording, "boris")
    entered = session.events[0]
    assert isinstance(entered, Entered)
    session.events[0] = entered._replace(head=1)


def a_live_double(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events.insert(index_of(session, "z1"), session.events[index_of(session, "z1")])


def not_caught_up(recording: Recording) -> None:
    drop_heard(recording, "anna", "a4", number=2)


def two_histories(recording: Recording) -> None:
    change_stored(recording, LOBBY, without("c1"), "two")


def a_short_history(recording: Recording) -> None:
    change_stored(recording, LOBBY, lambda s: s._replace(head=s.head + 1), "two")


def twice_in_history(recording: Recording) -> None:
    change_stored(recording, LOBBY, lambda s: s._replace(messages=(*s.messages, s.messages[-1])))


def lost_in_history(recording: Recording) -> None:
    change_stored(
        recording,
        LOBBY,
        lambda s: without("a5")(s)._replace(head=s.head - 1),
    )


def a_lost_private_line(recording: Recording) -> None:
    change_stored(recording, BORIS, lambda s: s._replace(messages=(), head=0))


def another_number_than_echoed(recording: Recording) -> None:
    recording.lines["a5"].seq += 1


def refused_and_said(recording: Recording) -> None:
    recording.lines["z3"].fate = Fate.REFUSED


def never_answered(recording: Recording) -> None:
    recording.lines["a4"].fate = Fate.WAITING


def marked_for_no_reason(recording: Recording) -> None:
    recording.lines["a4"].fate = Fate.PERHAPS


def nobody_said_it(recording: Recording) -> None:
    recording.lines["a1"].tries.clear()


def another_content(recording: Recording) -> None:
    recording.lines["a1"].digest = "other"


def another_sender(recording: Recording) -> None:
    recording.lines["a1"].user = "boris"


def a_wrong_file(recording: Recording) -> None:
    session_of(recording, "anna", 2).events.append(Fetched(99, "b1", "other"))


def answers_out_of_order(recording: Recording) -> None:
    session = session_of(recording, "anna")
    session.events.insert(1, session.events.pop(index_of(session, "a2", Sent)))


def two_answers(recording: Recording) -> None:
    session_of(recording, "anna").events.append(Answered(99, "a1", "empty"))


def a_late_line(recording: Recording) -> None:
    session = session_of(recording, "anna", 2)
    at = index_of(session, "a4")
    heard = session.events[at]
    assert isinstance(heard, Heard)
    session.events[at] = heard._replace(is_live=True)


def heard_out_of_order(recording: Recording) -> None:
    session = session_of(recording, "boris")
    first, second = index_of(session, "a1"), index_of(session, "a2")
    events = session.events
    events[first], events[second] = events[second], events[first]


def said_out_of_order(recording: Recording) -> None:
    recording.lines["a1"].tries = [(2, 1)]


def mingled_names(recording: Recording) -> None:
    recording.lines["z3"].client = "carl"
    recording.lines["c1"].client = "zoe"
    recording.lines["c1"].tries = [(1, 9)]


def two_with_one_name(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events = [event for event in session.events if not isinstance(event, Went)]


def gone_twice(recording: Recording) -> None:
    session = session_of(recording, "boris")
    gone = next(event for event in session.events if isinstance(event, Went))
    session.events.insert(session.events.index(gone), gone)


def heard_after_removal(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events.insert(index_of(session, "z3"), Went(9, LOBBY, "zoe", "removed"))


def heard_privately_after_a_ban(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events.insert(index_of(session, "a3"), Went(9, LOBBY, "anna", "banned"))


def others_than_announced(recording: Recording) -> None:
    session_of(recording, "boris").events.append(Named(99, LOBBY, frozenset({"anna", "boris"})))


def a_lost_membership(recording: Recording) -> None:
    session = session_of(recording, "anna", 2)
    session.events = [event for event in session.events if getattr(event, "log", "") != "den"]


def heard_while_muted(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events = [
        event
        for event in session.events
        if not (isinstance(event, Asked) and event.command == "unmute")
    ]


def heard_while_banned(recording: Recording) -> None:
    session = session_of(recording, "boris")
    at = next(n for n, e in enumerate(session.events) if isinstance(e, Asked))
    session.events[at : at + 3] = [
        Asked(9, "q", "ban", "", "zoe"),
        Answered(9, "q", "done"),
    ]


def heard_elsewhere(recording: Recording) -> None:
    change_heard(recording, "zoe", "b1", log="den")


def kept_elsewhere(recording: Recording) -> None:
    [den] = {each.messages for each in recording.stored if each.log == "den"}
    stray = den[0]._replace(log=LOBBY)
    change_stored(recording, LOBBY, lambda s: s._replace(messages=(*s.messages, stray)))


def heard_in_a_closed_room(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events.insert(index_of(session, "a2"), Left(9, "den"))


def read_in_a_closed_room(recording: Recording) -> None:
    session = session_of(recording, "boris")
    session.events.insert(index_of(session, "a2"), Told(9, "removed", "den"))
    change_heard(recording, "boris", "a2", is_live=False)


def a_foreign_mailbox(recording: Recording) -> None:
    zoe, boris = session_of(recording, "zoe"), session_of(recording, "boris")
    zoe.events.append(boris.events[index_of(boris, "a3")])


def a_hole_in_the_engine(recording: Recording) -> None:
    del recording.entries[3]


def the_engine_runs_back(recording: Recording) -> None:
    recording.entries[3] = recording.entries[3]._replace(micros=0)


def written_after_the_fence(recording: Recording) -> None:
    last = recording.entries[-1]
    assert "a5" in last.nonces
    recording.entries[-1] = last._replace(writer="run-one")


def heard_after_the_fence(recording: Recording) -> None:
    session_of(recording, "anna").events.append(drop_heard(recording, "boris", "c1"))


Rows = Iterator[tuple[Callable[[Recording], None], Callable[[Recording], Iterator[str]]]]


def planted() -> Rows:
    """List faults, and the check that must find each of them, also without the other checks."""
    for change in (two_messages_with_one_number, one_message_with_two_numbers, time_runs_back):
        yield change, faults_of_numbers
    for change in (a_live_hole, a_live_double, a_message_from_before_the_head):
        yield change, faults_of_live_numbers
    yield not_caught_up, faults_of_views
    for change in (two_histories, a_short_history, twice_in_history):
        yield change, faults_of_stored
    for change in (
        *(lost_in_history, a_lost_private_line, another_number_than_echoed, refused_and_said),
        *(never_answered, marked_for_no_reason, nobody_said_it, another_content, another_sender),
        a_wrong_file,
    ):
        yield change, faults_of_lines
    for change in (answers_out_of_order, two_answers, a_late_line):
        yield change, faults_of_answers
    for change in (heard_out_of_order, said_out_of_order):
        yield change, faults_of_sending_order
    yield mingled_names, faults_of_guest_names
    for change in (
        *(two_with_one_name, gone_twice, heard_after_removal, heard_privately_after_a_ban),
        others_than_announced,
    ):
        yield change, faults_of_people
    yield a_lost_membership, faults_of_memberships
    for change in (heard_while_muted, heard_while_banned):
        yield change, faults_of_silenced
    for change in (
        *(heard_elsewhere, kept_elsewhere, heard_in_a_closed_room, read_in_a_closed_room),
        a_foreign_mailbox,
    ):
        yield change, faults_of_privacy
    for change in (
        *(a_hole_in_the_engine, the_engine_runs_back, written_after_the_fence),
        heard_after_the_fence,
    ):
        yield change, faults_of_fences


def test_nothing_is_wrong_with_a_good_run() -> None:
    assert faults(good_run()) == []


@table("plant, check", planted())
def test_a_planted_fault_is_found(
    plant: Callable[[Recording], None], check: Callable[[Recording], Iterator[str]]
) -> None:
    recording = deepcopy(good_run())
    plant(recording)
    assert list(check(recording)), f"{check.__name__} does not find {plant.__name__}"
    assert faults(recording)


def test_each_check_has_its_fault() -> None:
    assert {check for _, check in planted()} == set(checker._CHECKS)  # only here they are listed


def test_a_complaint_of_the_harness_is_a_fault() -> None:
    recording = good_run()
    recording.complaints.append("a server's log has a traceback")
    assert faults(recording) == ["a server's log has a traceback"]


def test_losses_are_counted_also_where_they_are_allowed() -> None:
    recording = good_run()
    lost_in_history(recording)
    recording.may_lose = True
    assert not list(faults_of_lines(recording))
    assert lost_lines(recording) == ["a5"]


def test_a_mark_of_a_doubt_is_right_after_a_new_epoch() -> None:
    recording = good_run()
    marked_for_no_reason(recording)
    session_of(recording, "boris").events.append(Heard(99, E2, ANNA, 1, "t9", "anna", "a1", "d-a1"))
    assert not [each for each in faults_of_lines(recording) if "perhaps" in each]


def test_figures() -> None:
    recording = good_run()
    text = "\n".join(figures_of(recording))
    assert "8 echoed, 1 refused, 1 found in history" in text, text
    assert "lost: 0" in text
    silence, slowest = waits(recording)
    assert silence > 0
    assert slowest > 0
