"""Users who register, talk in private, leave, come back, block each other and give up their names, beside a model."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import remove_account
from chat.server.settings import WaitingBounds
from chat.server.storage.database import Database
from tests.peers.wire_client import WireClient, WireFrame
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer

PASSWORD = "correct horse"
BOUNDS = WaitingBounds(messages=3, size=1 << 20, of_one=2)
TEXT, FILE = MessageType.UTF8, MessageType.FILE


class Mail:
    """A private message in the log of one account. ``partner`` is the other account; None for a guest."""

    def __init__(
        self, text: str, sender: str, to: str, partner: Account | None, *, is_own: bool, nonce: str
    ) -> None:
        self.text, self.sender, self.to, self.nonce = text, sender, to, nonce
        self.partner, self.is_own = partner, is_own
        self.is_file = False


class Account:
    """An account in the model. A later account of the same name is another object."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[Mail] = []
        self.marks: dict[str, int] = {}  # by the partner's name
        self.blocks: set[Account | str] = set()  # accounts, and names of guests
        self.waiting: Counter[Account] = Counter()  # by sender, since the user was here last
        self.seen = 0  # messages of the log that were there when the user came

    def unread(self, partner: str | None = None) -> int:
        return sum(
            not mail.is_own and number > self.marks.get(mail.sender, 0)
            for number, mail in enumerate(self.log, 1)
            if partner in (None, mail.sender)
        )

    def refuses(self, sender: Account | None, name: str) -> bool:
        return name in self.blocks or (sender is not None and sender in self.blocks)


class Visitor(WireClient):
    """A user who is here. ``live`` are the private messages that came, other than those shown again."""

    live: list[WireFrame]

    def until_answer(self, nonce: str) -> WireFrame:
        """Read up to the answer to the frame with ``nonce``: the echo, or a notice."""
        while True:
            frame = self.read_frame()
            if frame.sender != "server" and "to" in frame.header:
                self.live.append(frame)
            if frame.header.get("nonce") == nonce and (
                frame.sender in (self.name, "server") and "replay" not in frame.header
            ):
                return frame

    def query(self, **fields: Any) -> list[WireFrame]:
        """The messages of a page of history."""
        return self._ask(command="history", limit=200, **fields)

    def search(self, **fields: Any) -> list[WireFrame]:
        """All that a search finds, oldest first."""
        return self._ask(command="search", limit=50, **fields)[::-1]

    def _ask(self, **fields: Any) -> list[WireFrame]:
        self.send(TEXT, {"nonce": "q", **fields})
        page: list[WireFrame] = []
        while True:
            frame = self.read_frame()
            if frame.header.get("for") == "q":
                page.append(frame)
            elif frame.header.get("notice") and frame.header.get("nonce") == "q":
                assert frame.header["notice"] == "done", frame
                assert frame.header["count"] == len(page)
                assert "more" not in frame.header
                return page
            elif frame.sender != "server" and "to" in frame.header:
                self.live.append(frame)


class Town:
    """A server, whoever is there, and a model of what each account has."""

    def __init__(
        self,
        rng: random.Random,
        open_server: Callable[[], AbstractContextManager[TestServer]],
        database: Database,
    ) -> None:
        self.rng = rng
        self.database = database
        self.accounts: dict[str, Account] = {}
        self.former: list[Account] = []
        self.here: dict[str, Visitor] = {}
        self.count = 0
        self.ids: dict[Account, str] = {}  # the opaque ids that users saw
        self.contents: dict[
            str, str
        ] = {}  # of private files, by the ids by which readers can fetch them
        self._open_server = open_server
        self._open()

    def _open(self) -> None:
        self._context = self._open_server()
        self.server = self._context.__enter__()

    def restart(self) -> None:
        for name in list(self.here):
            self.leave(name)
        self.close()
        self._open()
        # Until then more may wait for a user than the bounds say.
        mailboxes = self.server.parts.mailboxes
        wait_until(lambda: not mailboxes.uncounted, "the mailboxes to be counted")

    def close(self) -> None:
        self._context.__exit__(None, None, None)

    def nonce(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def command(self, name: str, **fields: Any) -> WireFrame:
        nonce = self.nonce()
        self.here[name].send(TEXT, {**fields, "nonce": nonce})
        return self.here[name].until_answer(nonce)

    # Coming and going

    def come(self, name: str) -> None:
        visitor = Visitor(self.server.address)
        self.server.remember(visitor)
        visitor.live = []
        account = self.accounts.get(name)
        header = {"to": name} if account is None else {"to": name, "password": PASSWORD}
        assert visitor.try_login(header).type == MessageType.LOGIN
        visitor.name = name
        announcement = visitor.expect(MessageType.LOGIN, sender=name)
        visitor.welcome = json.loads(announcement.content)
        self.here[name] = visitor
        if account is None:
            assert "private" not in visitor.welcome
            return
        account.waiting.clear()
        account.seen = len(account.log)
        self.check_welcome(account, visitor.welcome["private"])

    def check_welcome(self, account: Account, private: dict[str, Any]) -> None:
        assert private["seq"] == len(account.log)
        assert private["unread"] == account.unread()
        senders = {mail.sender for mail in account.log if account.unread(mail.sender)}
        assert private["partners"].keys() == senders
        for sender in senders:
            partner = private["partners"][sender]
            mails = [mail for mail in account.log if mail.sender == sender and not mail.is_own]
            assert partner["unread"] == account.unread(sender)
            assert partner["seq"] == account.log.index(mails[-1]) + 1
            assert partner["read"] >= account.marks.get(sender, 0)
            self.check_id(partner["account"], mails[-1].partner)

    def register(self, name: str) -> None:
        answer = self.command(name, command="register", password=PASSWORD)
        assert (answer.header["notice"], answer.header["private"]) == ("done", True)
        assert answer.header["seq"] == 0
        self.accounts[name] = Account(name)
        self.here[name].live.clear()

    def leave(self, name: str) -> None:
        visitor = self.here.pop(name)
        self.check_live(name, visitor)
        visitor.close()
        self.server.connections_are_accepted(len(self.here))

    def give_up(self, name: str) -> None:
        """Remove the account; the user, if here, is a guest from now on."""
        if name in self.here:
            self.until_quiet(name)
            self.check_live(name, self.here[name])
            self.here[name].live.clear()
        remove_account(self.database, parse_user_name(name))
        self.former.append(self.accounts.pop(name))
        self.server.parts.watch.look()

    # Talking

    def whisper(self, sender: str, to: str) -> None:
        nonce = self.nonce()
        text, visitor = f"secret {nonce}", self.here[sender]
        is_file = self.rng.random() < 0.3
        if is_file:
            if to in self.here and self.rng.random() < 0.5:
                text = text.ljust(70_000)  # kept as a file, beside the history
            visitor.send(FILE, {"to": to, "filename": "a", "nonce": nonce}, text.encode())
        else:
            visitor.say(text, to=to.upper(), nonce=nonce)
        answer = visitor.until_answer(nonce)
        expected = self.expected_answer(sender, to)
        assert answer.header.get("notice") == expected, (sender, to, answer)
        if expected is not None:
            return
        own, other = self.accounts.get(sender), self.accounts.get(to)
        assert answer.header["to"] == to
        assert answer.header.get("waiting") == (None if to in self.here else True)
        if own is not None:
            own.log.append(Mail(text, sender, to, other, is_own=True, nonce=nonce))
        if other is not None and other is not own:
            other.log.append(Mail(text, sender, to, own, is_own=False, nonce=nonce))
            if to not in self.here:
                assert own is not None
                other.waiting[own] += 1
        for account in {own, other} - {None}:
            assert account is not None
            account.log[-1].is_file = is_file

    def expected_answer(self, sender: str, to: str) -> str | None:
        own, other = self.accounts.get(sender), self.accounts.get(to)
        if to not in self.here and (own is None or other is None):
            return "no-such-user"
        if other is not None and other.refuses(own, sender):
            return "blocked"
        if to in self.here or other is None or own is None:
            return None
        is_full = other.waiting[own] >= BOUNDS.of_one or (other.waiting.total() >= BOUNDS.messages)
        return "mailbox-full" if is_full else None

    def block(self, name: str, target: str) -> None:
        verb = self.rng.choice(("block", "block", "unblock"))
        answer = self.command(name, command=verb, target=target).header["notice"]
        account = self.accounts.get(name)
        if account is None or (name == target and verb == "block"):
            assert answer == "not-allowed"
            return
        if verb == "block":
            account.blocks.add(self.accounts.get(target, target))
            assert answer == "done"
        else:
            named = {
                each
                for each in account.blocks
                if (each if isinstance(each, str) else each.name) == target
            }
            assert answer == ("done" if named else "no-such-user")
            account.blocks -= named
        listed = json.loads(self.command(name, command="blocks").content)
        names = {each if isinstance(each, str) else each.name for each in account.blocks}
        assert listed == sorted(names)

    def read(self, name: str, partner: str) -> None:
        account = self.accounts.get(name)
        seq = self.rng.randint(0, len(account.log) + 2 if account is not None else 5)
        fields = {"command": "read", "private": True, "with": partner, "seq": seq}
        answer = self.command(name, **fields)
        assert answer.header["notice"] == "done"
        if account is not None:
            seq = min(seq, len(account.log))
            assert answer.header["seq"] == seq
            account.marks[partner] = max(account.marks.get(partner, 0), seq)

    # What each account must see, and nothing else

    def until_quiet(self, name: str) -> None:
        assert self.command(name, command="ping").header["notice"] == "done"

    def check(self) -> None:
        """Compare all that the users can get with the model."""
        for name, visitor in self.here.items():
            self.until_quiet(name)
            account = self.accounts.get(name)
            self.check_live(name, visitor)
            public = visitor.query()
            nonces = [f"n{number}" for number in range(self.count, max(0, self.count - 64), -1)]
            assert not any(frame.content.startswith(b"secret") for frame in public)
            assert visitor.search(query=self.rng.choice(("SECRET", "se"))) == []
            assert visitor.search(has="file") == []
            if account is None:
                answer = self.command(name, command="search", private=True, query="secret")
                assert answer.header["notice"] == "no-history"
                assert visitor.query(nonces=nonces) == []
                continue
            assert not any(f.content.startswith(b"secret") for f in visitor.query(nonces=nonces))
            self.check_log(account, visitor.query(private=True), range(1, len(account.log) + 1))
            partner = self.rng.choice(list(self.accounts))
            numbers = [
                number
                for number, mail in enumerate(account.log, 1)
                if {mail.sender, mail.to} == {name, partner}
            ]
            page = visitor.query(**{"private": True, "with": partner})
            self.check_log(account, page, numbers)
            words = self.rng.choice(({}, {"query": "ecret"}, {"query": "se"}))
            numbers = [
                number
                for number, mail in enumerate(account.log, 1)
                # Of a file, the name is searched.
                if mail.sender == partner and not (words and mail.is_file)
            ]
            page = visitor.search(**{"private": True, "from": partner.upper(), **words})
            self.check_log(account, page, numbers)
            numbers = [
                number
                for number, mail in enumerate(account.log, 1)
                if mail.is_own and mail.nonce in nonces
            ]
            self.check_log(account, visitor.query(private=True, nonces=nonces), numbers)
        for name, visitor in self.here.items():
            self.check_fetches(self.accounts.get(name), visitor)

    def check_fetches(self, account: Account | None, visitor: Visitor) -> None:
        """Try to fetch private files, by number and by the ids that others know: only one's own come."""
        own = account.log if account is not None else []
        files = {number: mail.text for number, mail in enumerate(own, 1) if mail.is_file}
        ids = self.rng.sample(sorted(self.contents), min(8, len(self.contents)))
        wishes: dict[int | str, str | None] = {
            number: files.get(number) for number in self.rng.sample(range(12), 6)
        }
        for id in ids:
            text = files.get(int(id[1:].partition(".")[0]))
            wishes[id] = text if text == self.contents[id] else None
        with self.server.transfer(visitor) as transfer:
            for wanted, expected in wishes.items():
                transfer.send(FILE, {"fetch": wanted, "private": True})
                answer = transfer.read_frame()
                if expected is None:
                    assert answer.header.get("notice") == "gone", (wanted, answer.header)
                else:
                    assert answer.text == expected

    def check_live(self, name: str, visitor: Visitor) -> None:
        """Compare what came while the user was here."""
        account = self.accounts.get(name)
        if account is None:
            return
        frames = {frame.header["seq"]: frame for frame in visitor.live}
        assert len(frames) == len(visitor.live), "a number came twice"
        self.check_log(account, [frames[number] for number in sorted(frames)], sorted(frames))

    def check_log(self, account: Account, frames: list[WireFrame], numbers: Any) -> None:
        assert [frame.header["seq"] for frame in frames] == list(numbers)
        for frame in frames:
            mail = account.log[frame.header["seq"] - 1]
            if mail.is_file:
                digits = "".join(filter(str.isdigit, frame.header["timestamp"]))
                self.contents[f"m{frame.header['seq']}.{digits}"] = mail.text
            text = mail.text
            if "size" in frame.header:
                assert frame.header["size"] == len(text)
                text = ""
            assert (frame.sender, frame.header["to"], frame.text) == (mail.sender, mail.to, text)
            self.check_id(frame.header.get("account"), mail.partner)

    def check_id(self, id: str | None, account: Account | None) -> None:
        """An id stands for one account, always."""
        if account is None:
            assert id is None
            return
        assert id is not None
        assert self.ids.setdefault(account, id) == id
        assert [other for other, known in self.ids.items() if known == id] == [account]
