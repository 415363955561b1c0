"""Fixtures for the tests of the log for several servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.cluster.servers import TestCluster, cluster


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[TestCluster]:
    """Return an engine, and no server yet."""
    with cluster(tmp_path) as started:
        yield started
