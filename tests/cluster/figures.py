"""Count what a run has shown: lines by fate, losses, and how long users waited."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from tests.cluster.line_checks import lost_lines
from tests.cluster.recording import Answered, Fetched, Heard, Recording, Sent


def figures_of(recording: Recording) -> list[str]:
    """Return the figures of a run, one on a line."""
    fates = Counter(line.fate.value for line in recording.lines.values() if line.tries)
    heard = sum(event.is_live for _, event in recording.heard())
    fetched = Counter(
        "fetched" if event.digest else f"not fetched: {event.code}"
        for session in recording.sessions
        for event in session.events
        if isinstance(event, Fetched)
    )
    again = sum(len(line.tries) > 1 for line in recording.lines.values())
    silence, slowest = waits(recording)
    said = ", ".join(f"{count:,} {fate}" for fate, count in fates.most_common())
    lines = [
        f"sessions: {len(recording.sessions):,}; epochs: {len(_epochs(recording))}",
        f"lines: {said}; {again:,} of them said again",
        f"messages heard: {heard:,}; lost: {len(lost_lines(recording)):,}",
        f"longest silence: {silence:.1f} s; slowest answer within a session: {slowest:.1f} s",
    ]
    if fetched:
        lines.append("files: " + ", ".join(f"{n:,} {what}" for what, n in fetched.most_common()))
    return lines


def waits(recording: Recording) -> tuple[float, float]:
    """Return the longest time in which nobody heard anything, and the longest wait for one answer, in seconds."""
    times = sorted(event.at for _, event in recording.heard() if event.is_live)
    silence = max((b - a for a, b in pairwise(times)), default=0.0)
    slowest = 0.0
    for session in recording.sessions:
        sent: dict[str, float] = {}
        for event in session.events:
            if isinstance(event, Sent):
                sent[event.nonce] = event.at
            elif isinstance(event, Heard | Answered) and event.nonce in sent:
                slowest = max(slowest, event.at - sent.pop(event.nonce))
    return silence, slowest


def _epochs(recording: Recording) -> set[str]:
    return {heard.epoch for _, heard in recording.heard()}
