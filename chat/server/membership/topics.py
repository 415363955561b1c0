"""Read the topic of a room."""

from __future__ import annotations

import unicodedata

MAX_TOPIC = 250  # characters


class BadTopic(Exception):
    """The text cannot be a topic. The text of the exception is a sentence."""


def read_topic(text: str) -> str:
    """Return a topic of one line. Raises BadTopic."""
    topic = " ".join(text.split())
    if len(topic) > MAX_TOPIC:
        raise BadTopic(f"A topic has at most {MAX_TOPIC} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in topic):
        raise BadTopic("A topic has no control characters.")
    return topic
