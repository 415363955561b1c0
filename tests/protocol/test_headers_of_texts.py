"""Clients read the header of a text without a parser, and find in it the same as with one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.protocol.headers import ServerHeader, encode_json, parse_server_header
from chat.protocol.runs import encode_shared_header

NOW = "2026-11-23T23:03:24.696444485Z"


@given(
    name=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    to=st.none() | st.text(),
    account=st.none() | st.from_regex(r"[A-Za-z0-9_-]{16}", fullmatch=True),
    seq=st.integers(1, 2**40),
    is_waiting=st.booleans(),
)
def test_the_header_of_a_text_means_the_same_with_and_without_the_fast_path(
    name: str, to: str | None, account: str | None, seq: int, is_waiting: bool
) -> None:
    more = b"" if account is None else b',"account":"%b"' % account.encode()
    more += b',"waiting":true' if is_waiting else b""
    to_json = encode_json(to) if to is not None else None
    header = encode_shared_header(encode_json(name), NOW, to_json, more) + b'%d,"nonce":"n"}' % seq

    parsed = parse_server_header(header)

    expected = ServerHeader(
        name, NOW, to=to, seq=seq, nonce="n", account=account, waiting=is_waiting or None
    )
    assert parsed == expected
    # A blank is enough for the slow path.
    assert parse_server_header(header + b" ") == expected
