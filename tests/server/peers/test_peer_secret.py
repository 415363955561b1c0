"""The file with the secret that servers share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chat.server.peers.peer_secret import SHORTEST, SecretFault, read_secret


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_the_secret_is_the_first_line_without_spaces(tmp_path: Path) -> None:
    path = write(tmp_path / "secret", b"  " + b"s" * SHORTEST + b" \r\nmore\n")
    assert read_secret(path) == b"s" * SHORTEST


def test_a_line_end_is_not_needed(tmp_path: Path) -> None:
    assert read_secret(write(tmp_path / "secret", b"s" * 64)) == b"s" * 64


@pytest.mark.parametrize("data", [b"", b"\n" + b"s" * 64, b"s" * (SHORTEST - 1), b"s" * 2000])
def test_a_bad_secret_is_refused_with_the_way_to_make_a_good_one(
    tmp_path: Path, data: bytes
) -> None:
    path = write(tmp_path / "secret", data)
    with pytest.raises(SecretFault, match="openssl rand -hex 32") as caught:
        read_secret(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SecretFault, match="No such file"):
        read_secret(tmp_path / "secret")


def test_a_shell_may_give_the_secret(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"s" * 40 + b"\n")
    os.close(writer)
    assert read_secret(Path(f"/dev/fd/{reader}")) == b"s" * 40
    os.close(reader)
