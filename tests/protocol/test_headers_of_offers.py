"""The digest in the offer of a content, as a client reads it."""

from __future__ import annotations

import pytest

from chat.protocol.errors import HeaderError
from chat.protocol.headers import encode_json, parse_server_header

NOW = "2026-11-23T23:03:24.696444485Z"


@pytest.mark.parametrize("digest", ["", "ab" * 31, "AB" * 32, "ab" * 31 + "\n", "g" * 64])
def test_a_digest_that_is_none_is_refused(digest: str) -> None:
    header = {"from": "alice", "timestamp": NOW, "size": 1, "id": "x"}
    assert parse_server_header(encode_json({**header, "sha256": "ab" * 32})).sha256 == "ab" * 32
    with pytest.raises(HeaderError, match="64 hexadecimal digits"):
        parse_server_header(encode_json({**header, "sha256": digest}))
