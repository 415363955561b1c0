"""Read the history at the end in two ways: by queries of each account, and by the operator's export."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

from tests import homes
from tests.cutting.evidence import Message, StoredLog
from tests.cutting.lines import body_of
from tests.cutting.wire_session import Query, WireSession
from tests.end_to_end.client_process import CHECKOUT
from tests.peers.wire import Address
from tests.starting.programs import run_program

_PAGE = 200


def asked(address: Address, account: str, password: str) -> dict[str, StoredLog]:
    """Return the mailbox of ``account`` and the rooms that it is in, by queries."""
    session = WireSession(
        address, {"to": account, "password": password}, lambda header, message: None
    )
    try:
        return {log: _ask(session, log) for log in session.facts}
    finally:
        session.close()


def exported(directory: Path) -> list[Message | tuple[int, int]]:
    """Return the messages and holes of the room, as ``chat-server history export`` tells them."""
    command = [sys.executable, "-m", "chat.server.cli", "history", "export", "--format=json"]
    done = run_program(
        [*command, f"--data-directory={directory}"],
        cwd=CHECKOUT,
        env=homes.environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [_exported(json.loads(line)) for line in done.stdout.splitlines()]


def differences(stored: StoredLog, export: list[Message | tuple[int, int]]) -> list[str]:
    """Compare the two ways."""
    numbers = {message.seq: message for message in stored.messages}
    messages = {item.seq: item for item in export if isinstance(item, Message)}
    found = [
        f"the export says {messages.get(number)}, and a query {numbers.get(number)}"
        for number in sorted({*numbers, *messages})
        if numbers.get(number) != messages.get(number)
    ]
    holes = [item for item in export if not isinstance(item, Message)]
    if holes != stored.lost:
        found.append(f"the export has the holes {holes}, and the welcome {stored.lost}")
    return found


def _ask(session: WireSession, log: str) -> StoredLog:
    messages: list[Message] = []
    after, more = 0, True
    while more:
        page = session.ask(Query(log, after, limit=_PAGE))
        messages += page.messages
        more = page.more
        after = messages[-1].seq if messages else after
    facts = session.facts[log]
    return StoredLog(session.epoch, facts.head.seq, messages, facts.lost)


def _exported(fields: dict[str, Any]) -> Message | tuple[int, int]:
    if "lost" in fields:
        first, last = fields["lost"]
        return first, last
    body = fields.get("text")
    if body is None:
        body = body_of(8, fields["filename"], b64decode(fields.get("content", "")))
    return Message(
        fields["seq"], fields["timestamp"], fields["from"], None, body, fields.get("nonce")
    )
