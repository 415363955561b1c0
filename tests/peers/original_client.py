"""A peer as strict as the original client program: input that would crash that program raises :class:`Died`.

It writes little-endian with stray memory in the reserved bytes, and expects of a server exactly what the original one
sends: a login reply of 16 bytes and nothing more; then frames whose headers are JSON objects that it reads in place,
so no string in them may need a backslash; no content on Login and Logout; no type that it has not been told of.
"""

from __future__ import annotations

import json
import random
import re
import struct
from datetime import datetime
from typing import Any, NamedTuple

from tests.peers.wire import PATIENCE, Address, Wire

LOGIN, LOGOUT, USERNAME_EXISTS, BAD_USERNAME, BAD_LOGIN, IMAGE, UTF8, FILE, VOICE = range(1, 10)

_REFUSALS = {
    USERNAME_EXISTS: "UsernameExists",
    BAD_USERNAME: "BadUsername",
    BAD_LOGIN: "BadLogin",
}
_WITHOUT_CONTENT = {LOGIN, LOGOUT}
_KNOWN = _WITHOUT_CONTENT | {IMAGE, UTF8, FILE, VOICE}
_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class Died(AssertionError):
    """The server sent what ends the original client."""


class Refused(Exception):
    """The login was answered with one of the three refusals, by its name in the document."""


class Heard(NamedTuple):
    """One frame, as the original client decodes it."""

    type: int
    sender: str
    timestamp: str
    filename: str | None
    content: bytes


class OriginalClient(Wire):
    """Logged in as ``name`` once it is made. Raises Refused, Died, and what :class:`Wire` raises."""

    def __init__(
        self, address: Address, name: str, *, timeout: float = PATIENCE, seed: int = 0
    ) -> None:
        super().__init__(address, timeout=timeout)
        self._stray_memory = random.Random(seed)
        self.name = name
        try:
            self._login()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> OriginalClient:
        return self

    # --- what it does ---

    def say(self, text: str) -> None:
        self._send(UTF8, b"", text.encode())

    def send_file(self, filename: str, content: bytes) -> None:
        self._send(FILE, filename.encode(), content)

    def send_image(self, content: bytes) -> None:
        self._send(IMAGE, b"", content)

    def send_voice(self, content: bytes) -> None:
        self._send(VOICE, b"", content)

    def hear(self) -> Heard:
        """The next frame; EOFError when the server has closed."""
        type, header_size, content_size = self._receive_descriptor()
        if type not in _KNOWN:
            raise Died(f"a type it doesn't know: {type}")
        header = self._understand(self.receive_exactly(header_size))
        if type in _WITHOUT_CONTENT and content_size:
            raise Died(f"{content_size} bytes of content on type {type}")
        return Heard(type, *header, self.receive_exactly(content_size))

    def expect(
        self, type: int, sender: str, content: bytes = b"", filename: str | None = None
    ) -> Heard:
        """The next frame, asserted to be this one."""
        heard = self.hear()
        assert (heard.type, heard.sender, heard.content, heard.filename) == (
            type,
            sender,
            content,
            filename,
        ), f"came instead: {heard}"
        return heard

    def expect_text(self, text: str, sender: str) -> Heard:
        return self.expect(UTF8, sender, text.encode())

    # --- how it is made ---

    def _login(self) -> None:
        self._send(LOGIN, self.name.encode(), b"")
        type, _, _ = self._receive_descriptor()
        if type in _REFUSALS:
            raise Refused(_REFUSALS[type])
        if type != LOGIN:
            raise Died(f"a login reply of type {type}")
        # It reads 16 bytes, whatever they announce: any more would be taken for the next descriptor.

    def _send(self, type: int, header: bytes, content: bytes) -> None:
        garbage = self._stray_memory.randbytes(4)
        self.send_bytes(
            struct.pack("<HH4sQ", type, len(header), garbage, len(content)) + header + content
        )

    def _receive_descriptor(self) -> tuple[int, int, int]:
        type, header_size, content_size = struct.unpack("<HH4xQ", self.receive_exactly(16))
        return type, header_size, content_size

    def _understand(self, data: bytes) -> tuple[str, str, str | None]:
        """Sender, timestamp and file name of a header."""
        if b"\\" in data:
            raise Died(f"an escape in {data!r}")
        try:
            fields: dict[str, Any] = json.loads(data.decode())
        except ValueError as error:
            raise Died(f"a header that is no JSON: {data!r}") from error
        if not isinstance(fields, dict):
            raise Died(f"a header that is no object: {data!r}")
        for key in ("from", "timestamp"):
            if not isinstance(fields.get(key), str):
                raise Died(f"no {key!r} in {data!r}")
        filename = fields.get("filename")
        if not isinstance(filename, (str, type(None))):
            raise Died(f"a file name of another kind in {data!r}")
        _check_timestamp(fields["timestamp"])
        return fields["from"], fields["timestamp"], filename


def _check_timestamp(text: str) -> None:
    match = _RFC_3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        datetime.fromisoformat(match[1])
    except ValueError as error:
        raise Died(f"a timestamp that is not RFC 3339: {text!r}") from error
