"""Hold what the user wants to see and hear of: the one object that the frontends and the commands share."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from chat.client.attention.doubts import Doubts
from chat.client.attention.highlights import Highlights, Mention
from chat.client.attention.ignored import Ignored
from chat.client.attention.names_in_texts import fold
from chat.client.attention.presence import Presence, PresenceMode
from chat.client.attention.read_marks import UserMarks

# Mentions that are kept for ``/mentions``, and characters of each.
MAX_MENTIONS = 50
_MAX_TEXT = 1000


class Attention:
    """Hold the choices of one run. ``mentions`` are the last texts that mentioned the user, oldest first.

    ``doubts`` are the user's own lines that were perhaps said, ``read_marks`` tell how far the user has read.
    """

    def __init__(
        self,
        presence: PresenceMode = PresenceMode.ALL,
        ignore: Iterable[str] = (),
        highlight: Iterable[str] = (),
    ) -> None:
        self.presence = Presence(presence)
        self.ignored = Ignored(ignore)
        self.doubts = Doubts()
        self.read_marks = UserMarks()
        self.mentions: deque[Mention] = deque(maxlen=MAX_MENTIONS)
        self._username = ""
        self._words = {fold(word): word for word in highlight}
        # Replaced whenever it changes, so that others can tell by its identity.
        self.highlights = Highlights("")

    @property
    def words(self) -> list[str]:
        """Return the words of the user's choice, as they were given."""
        return list(self._words.values())

    def rename(self, username: str) -> None:
        """Set the user's own name."""
        self._username = username
        self._find_anew()

    def add_word(self, word: str) -> None:
        """Treat texts with ``word`` as mentions, from now on."""
        self._words[fold(word)] = word
        self._find_anew()

    def remove_word(self, word: str) -> bool:
        """Forget ``word``; return whether it was there."""
        was_there = self._words.pop(fold(word), None) is not None
        self._find_anew()
        return was_there

    def hear(
        self, moment: datetime, sender: str, text: str, to: str | None, room: str | None = None
    ) -> bool:
        """Note a text of another user that is shown; return whether it mentions this user."""
        if text not in self.highlights:
            return False
        self.mentions.append(Mention(moment, sender, text[:_MAX_TEXT], to, room))
        return True

    def _find_anew(self) -> None:
        self.highlights = Highlights(self._username, tuple(self._words.values()))
