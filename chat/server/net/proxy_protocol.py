"""What a proxy says of the client that it speaks for, before the client's own bytes: the PROXY protocol, 1 and 2.

By HAProxy's ``proxy-protocol.txt``. Only for connections of proxies that an operator has named: whoever else sent such
a header could be anybody he likes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

_V1_START = b"PROXY "
_V1_MAX = 107  # bytes, with the end of the line
_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = 16
_FIRST = len(_V2_SIGNATURE)  # no header is shorter

_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _INET, _INET6, _UNIX = range(4)
_STREAM = 1
_ADDRESS_SIZES = {_UNSPECIFIED: 0, _INET: 12, _INET6: 36, _UNIX: 216}
_TYPE_SSL = 0x20
_CLIENT_SSL = 0x01


class ProxyProtocolError(Exception):
    """No proper header; the text is one phrase, without anything that was sent."""


class Proxied(NamedTuple):
    """What a header tells. ``address`` is None where the proxy doesn't know it, or the client is on its own machine.

    ``is_local``: the proxy speaks for itself, as its health checks do. ``is_encrypted``: the client spoke TLS to it.
    """

    address: tuple[str, int] | None
    is_local: bool = False
    is_encrypted: bool = False


def read_header(receive: Callable[[int], bytes]) -> Proxied | None:
    """Take a header, and no byte more, by ``receive``, which gives at most so many bytes, none at the end.

    None for a stream that ends before its first byte. Raises ProxyProtocolError, and what ``receive`` does.
    """
    data = b""
    while wanted := bytes_wanted(data):
        received = receive(wanted)
        if not received:
            if not data:
                return None
            raise ProxyProtocolError("the PROXY header is cut off")
        data += received
    return parse_header(data)


def bytes_wanted(data: bytes) -> int:
    """How many bytes of the header are certain to follow ``data``, its beginning; 0 if it is whole.

    Raises ProxyProtocolError for what begins no header.
    """
    if not _V2_SIGNATURE.startswith(data[:_FIRST]) and not _V1_START.startswith(data[:6]):
        raise ProxyProtocolError("no PROXY header")
    if len(data) < _FIRST:
        return _FIRST - len(data)
    if data.startswith(_V2_SIGNATURE):
        if len(data) < _V2_FIXED:
            return _V2_FIXED - len(data)
        return _V2_FIXED + int.from_bytes(data[14:16], "big") - len(data)
    if data.endswith(b"\r\n"):
        return 0
    if len(data) >= _V1_MAX:
        raise ProxyProtocolError("a PROXY header without an end")
    return 1


def parse_header(data: bytes) -> Proxied:
    """A whole header. Raises ProxyProtocolError."""
    return _parse_v2(data) if data.startswith(_V2_SIGNATURE) else _parse_v1(data)


def _parse_v1(data: bytes) -> Proxied:
    """``PROXY TCP4 192.0.2.1 192.0.2.2 56324 443``, or ``PROXY UNKNOWN`` and anything."""
    try:
        kind, *fields = (
            data.removeprefix(_V1_START).removesuffix(b"\r\n").decode("ascii").split(" ")
        )
        if kind == "UNKNOWN":
            return Proxied(None)
        source, destination, source_port, _ = fields
        kinds = {"TCP4": IPv4Address, "TCP6": IPv6Address}[kind]
        kinds(destination)
        return Proxied((str(kinds(source)), _port(source_port)))
    except (ValueError, KeyError):
        raise ProxyProtocolError("a broken PROXY header") from None


def _port(text: str) -> int:
    port = int(text)
    if not text.isdigit() or not 0 <= port <= 65535:
        raise ValueError
    return port


def _parse_v2(data: bytes) -> Proxied:
    command, kind = data[12], data[13]
    if command == _LOCAL:
        return Proxied(None, is_local=True)
    family, transport = kind >> 4, kind & 0x0F
    if command != _PROXY or family not in _ADDRESS_SIZES:
        raise ProxyProtocolError("a broken PROXY header")
    # UDP is not what we serve, but the specification wants unknown kinds to be accepted: as a client not known.
    size = _ADDRESS_SIZES[family]
    addresses, extensions = data[_V2_FIXED:][:size], data[_V2_FIXED + size :]
    if len(addresses) < size:
        raise ProxyProtocolError("a broken PROXY header")
    address = None
    if transport == _STREAM and family in (_INET, _INET6):
        width = 4 if family == _INET else 16
        port = int.from_bytes(addresses[2 * width : 2 * width + 2], "big")
        address = (str(ip_address(addresses[:width])), port)
    return Proxied(address, is_encrypted=_tells_of_tls(extensions))


def _tells_of_tls(extensions: bytes) -> bool:
    """Whether one of the type-length-value triples is PP2_TYPE_SSL with the flag PP2_CLIENT_SSL."""
    found = False
    while extensions:
        if len(extensions) < 3:
            raise ProxyProtocolError("a broken PROXY header")
        type, size = struct.unpack_from(">BH", extensions)
        value, extensions = extensions[3 : 3 + size], extensions[3 + size :]
        if len(value) < size or (type == _TYPE_SSL and size < 5):
            raise ProxyProtocolError("a broken PROXY header")
        found = found or (type == _TYPE_SSL and bool(value[0] & _CLIENT_SSL))
    return found
