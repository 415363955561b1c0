"""A recording that is made by hand, of a small run in which nothing is wrong."""

from __future__ import annotations

from typing import Any

from tests.cluster.recording import (
    LOBBY,
    Answered,
    Asked,
    Came,
    EngineEntry,
    Entered,
    Event,
    Fate,
    Fetched,
    Heard,
    Line,
    Recording,
    Sent,
    Session,
    Stored,
    Went,
)

E1, E2 = "e1", "e2"
ANNA, BORIS = "@anna", "@boris"


class Chat:
    """Make a recording by hand: ``say`` lets users hear a line, each in the session that is their latest."""

    def __init__(self) -> None:
        self.recording = Recording(lasting=frozenset({"den"}))
        self.now = 0.0
        self.numbers: dict[str, int] = {}
        self.kept: dict[str, list[Heard]] = {}
        self.n = 0

    def enter(self, client: str, server: str, users: str, **facts: Any) -> Session:
        number = 1 + sum(each.client == client for each in self.recording.sessions)
        session = Session(client, facts.pop("user", client), number, server, f"run-{server}")
        session.is_guest = facts.pop("is_guest", False)
        names = frozenset(users.split())
        session.events.append(
            Entered(self._tick(), LOBBY, self.numbers.get(LOBBY, 0), names, at_login=True)
        )
        for log in facts.pop("rooms", ()):
            session.events.append(
                Entered(self._tick(), log, self.numbers.get(log, 0), names, at_login=True)
            )
        self.recording.sessions.append(session)
        return session

    def post(self, session: Session, nonce: str, log: str = LOBBY, to: str | None = None) -> Line:
        """Send a line, to which nothing answers yet."""
        line = self.recording.lines.setdefault(
            nonce, Line(nonce, session.client, session.user, "" if to else log, to, f"d-{nonce}")
        )
        line.tries.append((session.number, len(session.events)))
        session.events.append(Sent(self._tick(), nonce))
        return line

    def say(
        self,
        sender: Session,
        nonce: str,
        *hearers: Session,
        log: str = LOBBY,
        to: str | None = None,
    ) -> Line:
        """Let a line be said and heard by its sender and ``hearers``."""
        line = self.recording.lines.get(nonce) or self.post(sender, nonce, log, to)
        logs = {sender.user: log if to is None else f"@{sender.user}"}
        for hearer in hearers:
            logs.setdefault(hearer.user, log if to is None else f"@{hearer.user}")
        time = f"t{self._tick():04}"
        heard = {
            each: Heard(
                self.now, E1, each, self._number(each), time, sender.user, nonce, f"d-{nonce}"
            )
            for each in sorted(set(logs.values()))
        }
        for hearer in (sender, *hearers):
            hearer.events.append(heard[logs[hearer.user]])
        for each, message in heard.items():
            self.kept.setdefault(each, []).append(message)
        line.fate, line.epoch, line.seq = Fate.ECHOED, E1, heard[line.place].seq
        self.n += 1
        entry = EngineEntry(self.n, sender.run, False, self.n, frozenset({nonce}))
        self.recording.entries.append(entry)
        return line

    def ask(self, session: Session, command: str, target: str = "", code: str = "done") -> None:
        nonce = f"q{self._tick()}"
        session.events.append(Asked(self.now, nonce, command, "", target))
        session.events.append(Answered(self._tick(), nonce, code))

    def note(self, event: Event, *sessions: Session) -> None:
        for session in sessions:
            session.events.append(event)

    def fence(self, run: str) -> None:
        self.n += 1
        self.recording.entries.append(EngineEntry(self.n, run, True, self.n, frozenset()))

    def end(self) -> Recording:
        for log, messages in self.kept.items():
            for server in ("one", "two"):
                kept = tuple(messages)
                self.recording.stored.append(Stored(server, E1, log, self.numbers[log], kept))
        return self.recording

    def _number(self, log: str) -> int:
        self.numbers[log] = self.numbers.get(log, 0) + 1
        return self.numbers[log]

    def _tick(self) -> float:
        self.now += 1
        return self.now


def good_run() -> Recording:
    """Make a run on two servers.

    Anna is at ``one``, which is paused and fenced; then she comes back at ``two``, and finds her last line by history.
    Boris moderates at ``two``: the guest zoe is muted, and may speak again. The name is carl's afterwards.
    """
    chat = Chat()
    anna = chat.enter("anna", "one", "anna", rooms=("den",))
    boris = chat.enter("boris", "two", "anna boris", rooms=("den",))
    chat.note(Came(2.5, LOBBY, "boris"), anna)
    zoe = chat.enter("zoe", "two", "anna boris zoe", is_guest=True)
    chat.note(Came(3.5, LOBBY, "zoe"), anna, boris)
    chat.say(anna, "a1", boris, zoe)
    chat.say(boris, "b1", anna, zoe)
    chat.say(zoe, "z1", anna, boris)
    chat.say(anna, "a2", boris, log="den")
    chat.say(anna, "a3", boris, to="boris")
    chat.ask(boris, "mute", "zoe")
    refused = chat.post(zoe, "z2")
    chat.note(Answered(chat.now, "z2", "muted"), zoe)
    refused.fate = Fate.REFUSED
    chat.ask(boris, "unmute", "zoe")
    chat.say(zoe, "z3", anna, boris)
    chat.note(Went(chat.now, LOBBY, "zoe", "quit"), anna, boris)
    lost_echo = chat.post(anna, "a4")
    chat.fence("run-one")
    # The line was committed before the fence.
    chat.recording.entries[-1:-1] = [
        EngineEntry(chat.n, "run-one", False, chat.n, frozenset({"a4"}))
    ]
    chat.n += 1
    fence = chat.recording.entries[-1]
    chat.recording.entries[-1] = fence._replace(n=chat.n, micros=chat.n)
    time = f"t{chat._tick():04}"
    found = Heard(chat.now, E1, LOBBY, chat._number(LOBBY), time, "anna", "a4", "d-a4")
    chat.kept[LOBBY].append(found)
    chat.note(found, boris)
    lost_echo.fate, lost_echo.epoch, lost_echo.seq = Fate.FOUND, E1, found.seq
    back = chat.enter("anna", "two", "anna boris", rooms=("den",))
    chat.note(found._replace(is_live=False), back)
    chat.note(Fetched(chat.now, "b1", "d-b1"), back)
    carl = chat.enter("carl", "two", "anna boris zoe", user="zoe", is_guest=True)
    chat.note(Came(chat.now, LOBBY, "zoe"), back, boris)
    chat.say(carl, "c1", back, boris)
    chat.say(back, "a5", carl, boris)
    return chat.end()


def session_of(recording: Recording, client: str, number: int = 1) -> Session:
    return next(s for s in recording.sessions if (s.client, s.number) == (client, number))


def index_of(session: Session, nonce: str, kind: type = Heard) -> int:
    return next(
        number
        for number, event in enumerate(session.events)
        if isinstance(event, kind) and getattr(event, "nonce", None) == nonce
    )
