"""The checker must find each planted fault, and nothing in a run as it should be."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from tests.cutting.checker import faults
from tests.cutting.evidence import (
    LOGS,
    MAILBOX,
    ROOM,
    EpochShown,
    Evidence,
    Fate,
    HoleShown,
    LineRecord,
    Message,
    Observed,
    Shown,
    StoredLog,
    log_of_room,
)
from tests.tables import table

EPOCH = "e1"
DEV = log_of_room("dev")
LOST = (5, 6)


def public(seq: int, sender: str = "anna") -> Message:
    return Message(seq, f"t{seq}", sender, None, f"{sender} says {seq}", f"n{seq}")


def private(seq: int, body: str, sender: str = "anna", to: str = "boris") -> Message:
    return Message(seq, f"p{seq}", sender, to, body, f"n-{body}")


def in_dev(seq: int, sender: str = "anna") -> Message:
    return Message(seq, f"d{seq}", sender, None, f"{sender} in dev {seq}", f"d{seq}", "dev")


def shown(*messages: Message, log: str = ROOM, epoch: str = EPOCH) -> list[Shown]:
    return [Shown(log, epoch, message) for message in messages]


def line(
    body: str,
    seq: int,
    to: str | None = None,
    fate: Fate = Fate.ANSWERED,
    room: str | None = None,
) -> LineRecord:
    return LineRecord(body, to, fate, seq, EPOCH, [1], room=room)


def good_run() -> Evidence:
    """Make a run with a crash: anna dies once, a file from boris, a whisper, and the numbers 5 and 6 are lost.

    Anna alone is in the room dev.
    """
    told = [public(1), public(2, "boris"), public(3), public(4, "boris")]
    after = [public(7), public(8, "boris")]
    whisper = private(1, "psst")
    anna = Observed(
        "anna",
        "anna",
        [
            [*shown(*told), *shown(whisper, log=MAILBOX), *shown(in_dev(1), log=DEV)],
            # What the life before had shown may be shown again.
            [
                *shown(told[3]),
                HoleShown(ROOM, EPOCH, *LOST),
                *shown(*after),
                *shown(in_dev(2), log=DEV),
            ],
        ],
        {
            "anna says 1": line("anna says 1", 1),
            "anna says 3": line("anna says 3", 3),
            "psst": line("psst", 1, "boris"),
            "anna says 5": line("anna says 5", 5),
            "anna says 7": line("anna says 7", 7),
            "typed": line("typed", 0, fate=Fate.TYPED),
            "unknown": line("unknown", 0, fate=Fate.PERHAPS),
            "refused": line("refused", 0, "carol", Fate.REFUSED),
            **{
                message.body: line(message.body, message.seq, room="dev")
                for message in (in_dev(1), in_dev(2))
            },
        },
        logs=(*LOGS, DEV),
    )
    # They were there when number 5 was said, which the crash took.
    boris = Observed(
        "boris",
        "boris",
        [
            [
                *shown(*told, public(5)),
                HoleShown(ROOM, EPOCH, 6, 6),
                *shown(*after),
                *shown(whisper, log=MAILBOX),
            ]
        ],
        {message.body: line(message.body, message.seq) for message in (told[1], told[3], after[1])},
    )
    return Evidence(
        [anna, boris],
        StoredLog(EPOCH, 8, [*told, *after], [LOST]),
        {
            "anna": StoredLog(EPOCH, 1, [whisper], []),
            "boris": StoredLog(EPOCH, 1, [whisper], []),
            "carol": StoredLog(EPOCH, 0, [], []),
        },
        crashes=1,
        rooms={DEV: StoredLog(EPOCH, 2, [in_dev(1), in_dev(2)], [])},
    )


def test_a_good_run_has_no_fault() -> None:
    assert faults(good_run()) == []


def test_a_run_without_any_message_has_no_fault() -> None:
    empty = StoredLog(EPOCH, 0, [], [])
    assert faults(Evidence([Observed("anna", "anna")], empty, {"anna": empty})) == []


def test_under_another_epoch_a_client_begins_anew_if_it_says_so() -> None:
    run = good_run()
    [*_, life] = run.observed[0].lives
    del life[:2]  # neither number 4 again nor the hole
    assert any("lacks 5 to 6" in fault for fault in faults(run))
    life.insert(0, EpochShown(ROOM, EPOCH))
    assert faults(run) == []


Plant = Callable[[Evidence], object]


def room_of(run: Evidence, client: int = 1) -> list:
    return run.observed[client].lives[-1]


def fated(run: Evidence, body: str, fate: Fate) -> None:
    run.observed[0].lines[body].fate = fate


def answered_without_number(run: Evidence, body: str) -> None:
    fated(run, body, Fate.ANSWERED)
    run.observed[0].lines[body].has_number = False


PLANTED: dict[str, Plant] = {
    # History.
    "room has 'anna says 1' 2 times": lambda run: run.room.messages.insert(
        4, public(1)._replace(seq=5)
    ),
    "lacks 3 to 3": lambda run: run.room.messages.pop(2),
    "not in the order": lambda run: run.room.messages.reverse(),
    "lacks 5 to 6, and does not list": lambda run: run.room.lost.clear(),
    "lists it as lost although it is there": lambda run: run.room.messages.insert(4, public(5)),
    "ends at 7, and the server says 8": lambda run: run.room.messages.pop(),
    "history has 'invented' in room, which nobody": lambda run: run.room.messages.__setitem__(
        0, public(1)._replace(body="invented")
    ),
    # Clients.
    "boris's log of the room has 2 behind 2": lambda run: room_of(run).insert(2, room_of(run)[1]),
    "boris's log of the room lacks 2 to 2": lambda run: room_of(run).pop(1),
    "boris's log of the room has 2 behind 3": lambda run: room_of(run).insert(
        1, room_of(run).pop(2)
    ),
    "boris's log of the room lacks 6 to 6": lambda run: room_of(run).pop(5),
    "boris's log of the room ends at 7": lambda run: room_of(run).pop(-2),
    "a hole from 6 to 7, and history has 7": lambda run: room_of(run).__setitem__(
        5, HoleShown(ROOM, EPOCH, 6, 7)
    ),
    "a hole from 1 to 1, and history has 1": lambda run: room_of(run).__setitem__(
        0, HoleShown(ROOM, EPOCH, 1, 1)
    ),
    "number 2 of room is": lambda run: room_of(run).__setitem__(
        1, Shown(ROOM, EPOCH, public(2, "boris")._replace(time="another"))
    ),
    "'anna says 5' is number": lambda run: room_of(run, 0).__setitem__(
        -2, Shown(ROOM, EPOCH, public(5)._replace(seq=8))
    ),
    "anna: it came twice": lambda run: run.observed[0].complaints.append("it came twice"),
    # Privacy.
    "boris saw": lambda run: room_of(run).append(
        Shown(MAILBOX, EPOCH, private(2, "not for boris", "anna", "carol"))
    ),
    "the mailbox of boris has the message": lambda run: run.mailboxes["boris"].messages.append(
        private(2, "not for boris", "anna", "carol")
    ),
    "the history of the room has the private message": lambda run: run.room.messages.append(
        private(9, "psst")
    ),
    "boris saw Message(seq=1, time='d1'": lambda run: room_of(run).extend(
        shown(in_dev(1), log=DEV)
    ),
    "boris saw Message(seq=2, time='d2'": lambda run: room_of(run).extend(shown(in_dev(2))),
    "the history of the room dev has the message Message(seq=3": lambda run: run.rooms[
        DEV
    ].messages.append(public(3)),
    # Other rooms.
    "history of the room dev has 'anna in dev 1' 2 times": lambda run: run.rooms[
        DEV
    ].messages.append(in_dev(1)._replace(seq=3)),
    "anna's log of the room dev ends at 1": lambda run: room_of(run, 0).pop(),
    "line 'anna in dev 2' became": lambda run: run.rooms[DEV].messages.__setitem__(
        1, in_dev(2)._replace(room="den")
    ),
    # Lines.
    "line 'anna says 1' was said although it is refused": lambda run: fated(
        run, "anna says 1", Fate.REFUSED
    ),
    "line 'anna says 1' was said although it is typed": lambda run: fated(
        run, "anna says 1", Fate.TYPED
    ),
    "line 'unknown' was neither answered nor marked": lambda run: fated(
        run, "unknown", Fate.WAITING
    ),
    "line 'anna says 1' is number 1, and its echo said 2": lambda run: setattr(
        run.observed[0].lines["anna says 1"], "seq", 2
    ),
    "line 'unknown' was answered as 0": lambda run: fated(run, "unknown", Fate.ANSWERED),
    "line 'refused' was answered as 0": lambda run: answered_without_number(run, "refused"),
    "line 'psst' became": lambda run: run.mailboxes["anna"].messages.__setitem__(
        0, private(1, "psst", to="carol")
    ),
    "anna said 'anna says 1' before": lambda run: setattr(
        run.observed[0].lines["anna says 1"], "seq", 4
    ),
}


@table("complaint", PLANTED)
def test_a_planted_fault_is_found(complaint: str) -> None:
    run = deepcopy(good_run())
    PLANTED[complaint](run)
    assert any(complaint in fault for fault in faults(run)), faults(run)


def test_a_client_that_was_told_no_number_has_its_line_in_history_or_behind_a_hole() -> None:
    run = good_run()
    answered_without_number(run, "anna says 1")
    answered_without_number(run, "unknown")  # the room has a hole
    assert not any("answered as" in fault for fault in faults(run))


def test_a_durable_server_loses_nothing_and_forgets_nothing() -> None:
    found = faults(good_run()._replace(durable=True))
    assert "1 answered lines are not in history" in found
    assert any("'unknown' is perhaps said" in fault for fault in found)


def test_a_crash_takes_a_bounded_number() -> None:
    assert any("missing after 1 crashes" in fault for fault in faults(good_run()._replace(bound=0)))
    assert any(
        "missing after 0 crashes" in fault for fault in faults(good_run()._replace(crashes=0))
    )


def test_a_whisper_that_is_in_one_mailbox_alone_is_found() -> None:
    run = good_run()._replace(durable=True)
    run.mailboxes["boris"].messages.clear()
    assert any("in one of its two mailboxes alone" in fault for fault in faults(run))
