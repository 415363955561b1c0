"""Read the PROXY protocol, versions 1 and 2: a proxy sends the client's address before the client's own bytes.

Source: HAProxy's ``proxy-protocol.txt``. The server reads such a header only from proxies that the operator has named:
any other peer could use the header to claim any address.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

_V1_START = b"PROXY "
_V1_MAX = 107  # bytes, including the end of the line (section 2.1)
_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED = 16
_FIRST = len(_V2_SIGNATURE)  # no header of either version is shorter

_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _INET, _INET6, _UNIX = range(4)
_STREAM = 1
_ADDRESS_SIZES = {_UNSPECIFIED: 0, _INET: 12, _INET6: 36, _UNIX: 216}
_TYPE_SSL = 0x20
_CLIENT_SSL = 0x01


class ProxyProtocolError(Exception):
    """Report that the bytes are no valid header. The text is a phrase for the log, without any byte of the peer."""


class Proxied(NamedTuple):
    """Say what a header tells about the client.

    ``address`` is the client's host and port; None if the proxy does not know it, or the client uses no TCP.
    ``is_local``: the proxy speaks for itself, as in its health checks. ``is_encrypted``: the client speaks TLS to the
    proxy.
    """

    address: tuple[str, int] | None
    is_local: bool = False
    is_encrypted: bool = False


def read_header(receive: Callable[[int], bytes]) -> Proxied | None:
    """Read a header, and no byte more; return None if the stream ends before its first byte.

    ``receive`` returns at most as many bytes as its argument says, and none at the end of the stream. Raises
    ProxyProtocolError, and the exceptions of ``receive``.
    """
    data = b""
    while wanted := bytes_wanted(data):
        received = receive(wanted)
        if not received:
            if not data:
                return None
            raise ProxyProtocolError("incomplete PROXY header")
        data += received
    return parse_header(data)


def bytes_wanted(data: bytes) -> int:
    """Return how many bytes of the header certainly follow its beginning ``data``; 0 if the header is complete.

    Raises ProxyProtocolError if no header begins with ``data``.
    """
    # Checked on every prefix: a peer that speaks another protocol is refused at once, not when the deadline has passed.
    if not _V2_SIGNATURE.startswith(data[:_FIRST]) and not _V1_START.startswith(data[:6]):
        raise ProxyProtocolError("no PROXY header")
    if len(data) < _FIRST:
        return _FIRST - len(data)
    if data.startswith(_V2_SIGNATURE):
        if len(data) < _V2_FIXED:
            return _V2_FIXED - len(data)
        return _V2_FIXED + int.from_bytes(data[14:16], "big") - len(data)
    # Version 1 has no size: read byte by byte, since the bytes after the line belong to TLS or to the first frame.
    if data.endswith(b"\r\n"):
        return 0
    if len(data) >= _V1_MAX:
        raise ProxyProtocolError("PROXY header without a line end")
    return 1


def parse_header(data: bytes) -> Proxied:
    """Parse a complete header of either version. Raises ProxyProtocolError."""
    return _parse_v2(data) if data.startswith(_V2_SIGNATURE) else _parse_v1(data)


def _parse_v1(data: bytes) -> Proxied:
    """Parse version 1: ``PROXY TCP4 192.0.2.1 192.0.2.2 56324 443``, or ``PROXY UNKNOWN`` and any text."""
    try:
        kind, *fields = (
            data.removeprefix(_V1_START).removesuffix(b"\r\n").decode("ascii").split(" ")
        )
        if kind == "UNKNOWN":
            return Proxied(None)
        source, destination, source_port, _ = fields
        kinds = {"TCP4": IPv4Address, "TCP6": IPv6Address}[kind]
        kinds(
            destination
        )  # raises ValueError for a bad address; the server has no use for a good one
        return Proxied((str(kinds(source)), _port(source_port)))
    except (ValueError, KeyError):
        raise ProxyProtocolError("invalid PROXY header") from None


def _port(text: str) -> int:
    port = int(text)
    # int() also takes signs, blanks and underscores, which the specification forbids.
    if not text.isdigit() or not 0 <= port <= 65535:
        raise ValueError
    return port


def _parse_v2(data: bytes) -> Proxied:
    """Parse version 2: the signature, command, family, size, two addresses with ports, and extensions."""
    command, kind = data[12], data[13]
    if command == _LOCAL:
        return Proxied(None, is_local=True)
    family, transport = kind >> 4, kind & 0x0F
    if command != _PROXY or family not in _ADDRESS_SIZES:
        raise ProxyProtocolError("invalid PROXY header")
    # The server has no UDP. But by the specification an unsupported kind is accepted, as a client of unknown address.
    size = _ADDRESS_SIZES[family]
    addresses, extensions = data[_V2_FIXED:][:size], data[_V2_FIXED + size :]
    if len(addresses) < size:
        raise ProxyProtocolError("invalid PROXY header")
    address = None
    if transport == _STREAM and family in (_INET, _INET6):
        width = 4 if family == _INET else 16
        port = int.from_bytes(addresses[2 * width : 2 * width + 2], "big")
        address = (str(ip_address(addresses[:width])), port)
    return Proxied(address, is_encrypted=_has_client_ssl(extensions))


def _has_client_ssl(extensions: bytes) -> bool:
    """Return whether one of the type-length-value triples is PP2_TYPE_SSL with the flag PP2_CLIENT_SSL.

    Raises ProxyProtocolError if any triple is cut off: the loop reads all of them, also after it has found TLS.
    """
    found = False
    while extensions:
        if len(extensions) < 3:
            raise ProxyProtocolError("invalid PROXY header")
        type, size = struct.unpack_from(">BH", extensions)
        value, extensions = extensions[3 : 3 + size], extensions[3 + size :]
        if len(value) < size or (type == _TYPE_SSL and size < 5):
            raise ProxyProtocolError("invalid PROXY header")
        found = found or (type == _TYPE_SSL and bool(value[0] & _CLIENT_SSL))
    return found
