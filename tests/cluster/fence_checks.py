"""Check the engine's log against what users heard: nothing counts that a server wrote after its fence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.cluster.recording import EngineEntry, Recording


def faults_of_fences(recording: Recording) -> Iterator[str]:
    """The log is dense; nobody hears what is behind the fence of its writer; users of a fenced server hear no more.

    A line that was said twice may be in two entries; the earlier one that is not void counts here.
    """
    entries = sorted(recording.entries)
    for before, after in pairwise(entries):
        if after.n != before.n + 1:
            yield f"the engine's log goes on from {before.n} to {after.n}"
        if after.micros < before.micros:
            yield f"the engine's time runs back at {after.n}"
    fences = {entry.writer: entry.n for entry in reversed(entries) if entry.is_fence}
    valid = [entry for entry in entries if not _is_void(entry, fences)]
    at = {nonce: entry.n for entry in reversed(valid) for nonce in entry.nonces}
    void = {nonce for entry in entries if _is_void(entry, fences) for nonce in entry.nonces}
    again = {line.nonce for line in recording.lines.values() if len(line.tries) > 1}
    for session, heard in recording.heard():
        if recording.may_lose and heard.nonce in again:
            continue  # heard before the loss, and said again behind it
        if heard.nonce not in at:
            if heard.nonce in void:
                yield f"{session.name} hears {heard.nonce}, which is behind the fence of its writer"
            continue
        fence = fences.get(session.run)
        if heard.is_live and fence is not None and at[heard.nonce] > fence:
            yield f"{session.name} hears {heard.nonce} after the fence of {session.server}"


def _is_void(entry: EngineEntry, fences: dict[str, int]) -> bool:
    return not entry.is_fence and fences.get(entry.writer, entry.n) < entry.n
