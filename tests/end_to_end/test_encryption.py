"""TLS at the real server: its first start, the plain bytes of the original beside it, and new certificates."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from chat.net.fingerprint import fingerprint_of_certificate
from chat.protocol.descriptor import ByteOrder, MessageType
from tests.end_to_end.server_process import running_server
from tests.peers.certificates import make_identity
from tests.peers.tls_wire_client import TlsWireClient
from tests.peers.wire_client import WireClient


def test_a_server_keeps_its_key_and_says_how_to_know_it_again(tmp_path: Path) -> None:
    shown = set()
    for _ in range(2):
        with running_server("--tls=optional", f"--data-directory={tmp_path}") as server:
            shown.add(server.wait_for_line(r"the key is (SHA256:\S+)$")[1])
            with TlsWireClient.joined(server.address, "alice") as alice:
                assert isinstance(alice, TlsWireClient)
                shown.add(str(fingerprint_of_certificate(alice.certificate)))

    assert len(shown) == 1


def test_where_tls_is_required_the_log_says_why_a_plain_client_was_refused(tmp_path: Path) -> None:
    with (
        running_server("--tls=required", f"--data-directory={tmp_path}") as server,
        WireClient(server.address, order=ByteOrder.LITTLE) as client,
    ):
        assert client.try_login("alice").type == MessageType.BAD_LOGIN
        client.expect_closed()

        server.wait_for_line("refused 127.0.0.1: encryption-needed")


@pytest.mark.thorough("a hundred users; tests/server/net/test_encrypted_room.py has some")
def test_sighup_changes_the_certificate_under_a_hundred_users_and_none_notices(
    tmp_path: Path,
) -> None:
    old, new = make_identity(tmp_path), make_identity(tmp_path, name="new")
    options = (f"--tls-cert={old.certificate}", f"--tls-key={old.key}")
    with running_server("--tls=optional", *options) as server:
        guests: list[WireClient] = []
        for number in range(100):
            kind = TlsWireClient if number % 2 else WireClient
            guests.append(kind.joined(server.address, f"guest{number}"))
            for guest in guests[:-1]:
                guest.expect_joined(f"guest{number}")

        old.certificate.write_bytes(new.certificate.read_bytes())
        old.key.write_bytes(new.key.read_bytes())
        server.send_signal(signal.SIGHUP)
        server.wait_for_line(re.escape(f"read the certificate again: {new.fingerprint}"))

        with TlsWireClient.joined(server.address, "newcomer") as newcomer:
            assert isinstance(newcomer, TlsWireClient)
            assert fingerprint_of_certificate(newcomer.certificate) == new.fingerprint
            guests[0].say("still here")
            for guest in guests:
                guest.expect_joined("newcomer")
                guest.expect_text("still here", "guest0")
        for guest in guests:
            guest.close()
