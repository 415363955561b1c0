"""The clients of a soak that speak the wire themselves, as well as what all kinds have in common."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from random import Random
from typing import Any

import gevent
import gevent.ssl
from gevent.event import Event

from chat.protocol.descriptor import ByteOrder, MessageType
from tests.peers.wire_client import WireClient
from tests.soaking.chronicle import LAST_WORDS, Entry, entry_of_frame
from tests.soaking.soak_state import SoakState, is_intact, make_content, named

PATIENCE = 60.0  # seconds
FILE, IMAGE, VOICE, UTF8 = (
    *(MessageType.FILE, MessageType.IMAGE, MessageType.VOICE),
    MessageType.UTF8,
)
# How somebody ends whom nothing else has ended. The first two read on to the end.
POLITE = ("leave", "half-close")
DEATHS = ("close", "reset", "half a frame", "stall")
# Errors that end a connection; any other error is a fault of the soak itself.
ENDS = (OSError, EOFError)


class Member:
    """One client's life. ``record`` has all that the client heard for everyone, the client's own announcement first."""

    def __init__(self, soak_state: SoakState, name: str, rng: Random) -> None:
        self.soak_state = soak_state
        self.name = name
        self.rng = rng
        self.record: list[Entry] = []
        self.said = 0
        self.heard_last_words = Event()
        self.ended = False  # the member hears nothing more

    @property
    def endings(self) -> tuple[str, ...]:
        """Return the values that ``end`` accepts."""
        return (*POLITE, *POLITE, *DEATHS)

    def enter(self) -> None:
        """Log in. Raises an error of ``ENDS`` if the server refuses the member."""
        raise NotImplementedError

    def listen(self) -> None:
        """Fill the record until the end of the connection."""
        raise NotImplementedError

    def say(self, text: str, to: str | None = None) -> None:
        raise NotImplementedError

    def share(self, kind: MessageType, size: int, to: str | None = None) -> None:
        raise NotImplementedError

    def fetch(self) -> None:
        """Get something that was offered. Not everyone can."""

    def stall(self, seconds: float) -> None:
        """Read nothing for a while. Not everyone can."""

    def end(self, how: str) -> bool:
        """End the connection; return whether the member hears everything until the end."""
        raise NotImplementedError

    def check_end(self) -> None:
        """Check, after a polite end, that the server answered every message."""

    def close(self) -> None:
        """Give back whatever there is, however it is."""
        raise NotImplementedError

    def hear(self, entry: Entry | None) -> None:
        if entry is None:
            return
        self.record.append(entry)
        if entry[0] == "text" and entry[2] == LAST_WORDS:
            self.heard_last_words.set()

    def next_text(self) -> str:
        """Return a text that nobody else says, in scripts of all kinds, of a line or of many."""
        self.said += 1
        rest = self.rng.choice(
            ("", " привет", " 你好 👋", " and so on" * 40, "\nsecond line", " é" * 900)
        )
        return f"{self.name} {self.said}{rest}"


class SecureWireClient(WireClient):
    """By TLS, without a look at the certificate: it is not what is tested here."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self.socket: Any = context.wrap_socket(self.socket)
        except BaseException:
            self.socket.close()
            raise

    def _receive(self, deadline: float) -> bool:
        try:
            return super()._receive(deadline)
        except ValueError as problem:  # it was closed meanwhile, by another greenlet
            raise EOFError(str(problem)) from None


class WireMember(Member):
    """A raw or a JSON client, in either byte order, encrypted or not."""

    def __init__(
        self,
        soak_state: SoakState,
        name: str,
        rng: Random,
        *,
        raw: bool,
        order: ByteOrder,
        tls: bool,
    ) -> None:
        super().__init__(soak_state, name, rng)
        self._raw = raw
        self._order = order
        self._tls = tls
        self._client: WireClient | None = None
        self._awake = Event()
        self._awake.set()
        self._unanswered = 0

    @property
    def endings(self) -> tuple[str, ...]:
        # To end one direction alone is not in Python's TLS.
        return tuple(how for how in super().endings if not (self._tls and how == "half-close"))

    @property
    def client(self) -> WireClient:
        assert self._client is not None
        return self._client

    def enter(self) -> None:
        kind = SecureWireClient if self._tls else WireClient
        inline = None if self._raw else 4096
        self._client = kind(self.soak_state.address, order=self._order, timeout=PATIENCE)
        self._client.login(self.name, raw=self._raw, inline=inline)
        self.hear(("+", self._client.name))

    def listen(self) -> None:
        while not self.client.at_end():
            self._awake.wait()
            self._take(*self.client.read_opening())

    def _take(self, type: int, header: dict[str, Any], size: int) -> None:
        content = self.client.receive_exactly(size)
        sender = header["from"]
        if sender == self.name or (sender == "server" and header.get("to") == self.name):
            self._unanswered -= 1
        if type in (FILE, IMAGE, VOICE):
            if "id" not in header and not is_intact(header["filename"], content):
                self.soak_state.complain(f"{self.name} got another content of {header['filename']}")
            if "id" in header and "to" not in header:
                self.soak_state.offered(header["id"], header["filename"])
        elif type == UTF8 and "notice" not in header and "to" in header:
            told = self.soak_state.echoed if sender == self.name else self.soak_state.heard
            told(sender, header["to"], content.decode())
        self.hear(entry_of_frame(type, header, size, content))

    def say(self, text: str, to: str | None = None) -> None:
        self._unanswered += 1
        if to is None or self._raw:
            self.client.say(text)
        else:
            self.client.say(text, to=to)
        self.soak_state.counts["texts"] += 1

    def share(self, kind: MessageType, size: int, to: str | None = None) -> None:
        content = make_content(self.rng, size)
        self.said += 1
        filename = named(self.name, self.said, content)
        self.soak_state.counts["files"] += 1
        self._unanswered += 1
        if self._raw:
            self.client.send(kind, filename, content)
            return
        header = {"filename": filename, "nonce": str(self.said)}
        if to is not None:
            header["to"] = to
        if size <= 65_536:
            self.client.send(kind, header, content)
            return
        with self._transfer() as transfer:
            transfer.send(kind, header, content)
            answer = transfer.read_frame()
            if answer.header:  # a notice: nobody got it, and no echo comes
                self._unanswered -= 1
                self.soak_state.counts[f"refused: {answer.header.get('notice')}"] += 1

    def fetch(self) -> None:
        if self._raw or not self.soak_state.offers:
            return
        offer, filename = self.rng.choice(self.soak_state.offers)
        with self._transfer() as transfer:
            transfer.send(FILE, {"fetch": offer})
            answer = transfer.read_frame()
        if answer.header.get("notice") == "gone":
            self.soak_state.counts["gone"] += 1
        elif is_intact(filename, answer.content):
            self.soak_state.counts["fetched"] += 1
        else:
            self.soak_state.complain(
                f"{self.name} fetched another content of {filename}: {answer.header}"
            )

    def _transfer(self) -> WireClient:
        kind = SecureWireClient if self._tls else WireClient
        transfer = kind(self.soak_state.address, order=self._order, timeout=PATIENCE)
        reply = transfer.try_login({"session": self.client.welcome["session"]})
        if reply.type != MessageType.LOGIN:
            transfer.close()
            raise EOFError(f"the transfer was refused: {reply}")
        return transfer

    def stall(self, seconds: float) -> None:
        self._awake.clear()
        gevent.sleep(seconds)
        self._awake.set()

    def end(self, how: str) -> bool:
        ways: dict[str, Callable[[], object]] = {
            "leave": self.client.leave,
            "half-close": self.client.finish,
            "close": self.client.close,
            "reset": self.client.reset,
            "half a frame": self._break_off,
            "stall": self._vanish_late,
        }
        ways[how]()
        return how in POLITE

    def _break_off(self) -> None:
        self.client.send_bytes(self.client.encode(UTF8, None, b"half", content_size=2000))
        self.client.close()

    def _vanish_late(self) -> None:
        """Stop reading, with much still to come, and reset."""
        self.stall(self.soak_state.life / 20)
        self.client.reset()

    def check_end(self) -> None:
        if self._unanswered:
            self.soak_state.complain(
                f"{self.name} has {self._unanswered} frames that nobody answered"
            )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def stranger(soak_state: SoakState, rng: Random) -> None:
    """Connect, send bytes that are no valid login, and disconnect."""
    with WireClient(soak_state.address, timeout=PATIENCE) as wire:
        wire.send_bytes(
            rng.choice(
                (
                    b"",
                    b"\0",
                    b"GET / HTTP/1.1\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01",
                    wire.encode(1, json.dumps({"to": "a b"})),
                    wire.encode(1, "never", header_size=400),
                )
            )
        )
        if rng.random() < 0.5:
            wire.reset()
    soak_state.counts["strangers"] += 1
