"""Read what a client wants to log in with."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from chat.protocol.errors import HeaderError, UserNameError
from chat.protocol.headers import LoginHeader, parse_login_header
from chat.protocol.names import UserName, parse_user_name
from chat.protocol.notices import Refusal
from chat.server.entrance.login_rejected import LoginRejected


class LoginRequest(NamedTuple):
    """Hold the header of a login, and the device that counts.

    ``device`` is the SHA-256 of the device's secret: the server keeps nothing else of it. None if the login has no
    device, or sends it where a password must not travel: others may have read it.
    """

    header: LoginHeader
    device: bytes | None

    def __repr__(self) -> str:
        """Return the login without its secrets, which must not reach a log."""
        return f"<LoginRequest {self.header.name!r}>"


def read_request(data: bytes, *, is_private: bool) -> LoginRequest:
    """Read the header of a login, which came over a connection that ``is_private`` or not. Raises LoginRejected."""
    try:
        data.decode()
    except UnicodeDecodeError:
        raise LoginRejected(Refusal.BAD_USERNAME, "A name must be valid UTF-8.") from None
    try:
        header = parse_login_header(data)
    except HeaderError as problem:
        raise LoginRejected(Refusal.BAD_HEADER, str(problem)) from None
    if header.device is None or not is_private:
        return LoginRequest(header, None)
    return LoginRequest(header, hashlib.sha256(header.device.encode()).digest())


def read_name(name: str) -> UserName:
    """Read the user name of a login. Raises LoginRejected."""
    try:
        return parse_user_name(name)
    except UserNameError as problem:
        raise LoginRejected(Refusal.BAD_USERNAME, str(problem)) from None
