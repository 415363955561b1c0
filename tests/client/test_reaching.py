"""The whole client on its way to a name with several addresses, the first of which is silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.address import Address
from chat.client import happy_eyeballs
from chat.client.cancellation import Cancellation
from chat.client.errors import ConnectError, TransferCancelled, UntrustedServer
from chat.client.happy_eyeballs import Route
from chat.client.runtime import Runtime
from chat.client.trust import Demands, Door, Stranger
from tests.client.runtimes import with_both_runtimes
from tests.peers.addresses import (
    GOOD,
    NAME,
    OTHER_SILENT,
    REFUSING,
    SILENT,
    Resolver,
    Silence,
    silence_at,
)
from tests.peers.certificates import Identity, make_identity
from tests.peers.tls_server import LittleServer, by_silence, by_tls

pytestmark = with_both_runtimes
LONG = 40.0  # seconds: what waits for this is not what it should be


@pytest.fixture(scope="module")
def identities(tmp_path_factory: pytest.TempPathFactory) -> list[Identity]:
    directory = tmp_path_factory.mktemp("identities")
    return [make_identity(directory, name=name) for name in ("first", "second")]
