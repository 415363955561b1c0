"""Directories that are nested too deeply for somebody, sent by the real client: the upload after it is not held up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conversation.test_archive import nested, remove_nested
from tests.end_to_end.client_process import run_client

pytestmark = pytest.mark.thorough(
    "thousands of directories; tests/client/conversation/test_archive.py has them"
)


@pytest.fixture(params=[1500, 2500])
def deep(request: pytest.FixtureRequest, home: Path) -> Iterator[int]:
    """Make many nested directories below ``deep``; a path through 2,500 is longer than the system accepts."""
    (home / "deep").mkdir()
    nested(home / "deep", request.param)
    yield request.param
    remove_nested(home / "deep", request.param)


def test_the_next_upload_is_sent(address: str, home: Path, deep: int) -> None:
    (home / "small").write_bytes(b"small")
    done = run_client(
        address, "bob", "--commands", said="/file deep\n/file small\n", directory=home
    )
    assert "small" in done.stdout
    if deep == 1500:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 1
        assert "deep/…/d: File name too long." in done.stdout + done.stderr
