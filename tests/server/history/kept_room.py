"""A small history, written and exported."""

from __future__ import annotations

import json
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.server.history.stored import MAILBOX, LogName, StoredRun

MAIL = LogName(MAILBOX, "a1")


def text(log: LogName, number: int, sender: str, content: str) -> StoredRun:
    time = f"2026-11-{number:02d}T12:00:00.000000Z"
    data = [content.encode()]
    return StoredRun(log, number, time, sender, None, b"", MessageType.UTF8, [None], data)


def exported(run: Any) -> dict[int, str]:
    lines = [json.loads(line) for line in run("export", "--format=json")[1].splitlines()]
    return {line["seq"]: line.get("text", "") for line in lines}
