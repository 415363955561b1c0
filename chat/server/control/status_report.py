"""Lay out the status of a server for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from chat.local_time import local_time, with_zone
from chat.sizes import byte_count, counted

_SPANS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a status, which the server has sent."""
    since = with_zone(local_time(status["started"]))
    yield f"version      {status['version']}, process {status['pid']}"
    yield f"uptime       {_span(status['uptime_seconds'])}, since {since}"
    yield f"addresses    {', '.join(status['addresses'])}"
    if status["metrics_addresses"]:
        yield f"metrics      {', '.join(status['metrics_addresses'])}"
    key = f"; key {status['fingerprint']}" if status["fingerprint"] else ""
    yield f"TLS          {status['tls']}{key}"
    yield (
        f"users        {status['users']} of {status['max_users']}; {status['registered_users']} registered"
    )
    yield (
        f"sessions     {status['sessions']}: {status['json_users']} JSON, "
        f"{status['raw_users']} raw; {status['tls_users']} over TLS"
    )
    yield f"connections  {status['connections']}, {status['transfers']} of them transfers"
    if "rooms" in status:
        yield f"rooms        {_rooms(status['rooms'])}"
    rates = status["rates"]
    yield (
        f"rates        {rates['messages']:.1f} messages/s, {byte_count(round(rates['received_bytes']))}/s in, "
        f"{byte_count(round(rates['delivered_bytes']))}/s out, over the last {_span(rates['seconds'])}"
    )
    yield f"messages     {status['messages']} since the start"
    memory = status["memory_bytes"]
    yield (
        f"memory       {'unknown' if memory is None else byte_count(memory)}; for slow readers "
        f"{byte_count(status['backlog_bytes'])} of {byte_count(status['max_backlog_bytes'])}"
    )
    yield f"spool        {byte_count(status['spool_bytes'])} of {byte_count(status['max_spool_bytes'])}"
    yield f"history      {_history(status['history'])}"
    files = status["files"]
    if files is not None:
        damaged = f"; {files['damaged']} found damaged" if files["damaged"] else ""
        yield (
            f"files        {files['files']}, {byte_count(files['bytes'])} of "
            f"{byte_count(files['max_bytes'])}{damaged}"
        )
    yield f"search       {_search(status.get('search'))}"
    yield f"accounts     {status['accounts']}; {status['bans']} bans, {status['mutes']} mutes"


def _rooms(rooms: Mapping[str, Any]) -> str:
    count = f"{rooms['rooms']} of {rooms['max_rooms']} beside {rooms['default']}"
    if not rooms["members"]:
        return f"{count}; nobody is in them"
    return f"{count}; {counted(rooms['members'], 'member')} here, {rooms['largest']} in the largest"


def _history(history: Mapping[str, Any] | None) -> str:
    if history is None:
        return "off"
    size = byte_count(history["file_bytes"])
    if history["is_suspended"]:
        return f"suspended: messages are not kept; the file has {size}"
    count = history["messages"]
    waiting = "nothing waits for the disk"
    if count:
        verb = "messages wait" if count > 1 else "message waits"
        detail = f"{byte_count(history['bytes'])}, for {history['age']:.1f} s"
        waiting = f"{count} {verb} for the disk ({detail})"
    written = with_zone(datetime.fromtimestamp(history["last_write"]).astimezone())
    return f"{size}; {waiting}; last written {written}"


def _search(index: Mapping[str, Any] | None) -> str:
    if index is None:
        return "off"
    size, count = byte_count(index["file_bytes"]), index["messages"]
    waiting = (
        f"{counted(count, 'message')} not indexed yet" if count else "all messages are indexed"
    )
    return (
        f"index {size}; {waiting}{'; the index cannot be written' if index['has_failed'] else ''}"
    )


def _span(seconds: float) -> str:
    """Return a time in its two largest units: ``3 d 4 h``."""
    left = int(seconds)
    parts: list[str] = []
    for size, unit in _SPANS:
        count, left = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
