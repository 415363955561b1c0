"""Find where to go, among the views and the people here, by any letters of a name."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

from chat.client.attention.names import folded
from chat.client.screen.model.subsequence import fit
from chat.client.screen.model.views import View

# Letters that are looked for: no name is longer than a few more.
_MAX_LETTERS = 40


class Destination(NamedTuple):
    """Hold a place to go to: the view ``number``, a user without a view, or a room that the user is not in.

    ``sign`` tells kinds of rooms, moderators and registered users.
    """

    name: str
    view: View | None = None
    number: int | None = None
    sign: str = " "
    is_room: bool = False


class Switcher:
    """Hold the places that fit the letters typed so far, best first, and the number of the chosen one, from 0.

    ``destinations`` are all places, the one that was used last first: so the order is among places that fit as well.
    """

    def __init__(self, destinations: Sequence[Destination]) -> None:
        self._all = self._fitting = [(folded(each.name), each) for each in destinations]
        self.text = self._letters = ""
        self.found = list(destinations)
        self.number = 0

    def renew(self, destinations: Sequence[Destination]) -> None:
        """Take other places, because more are known; the chosen one stays chosen."""
        chosen = self.chosen
        self._all = self._fitting = [(folded(each.name), each) for each in destinations]
        self._letters = ""
        self.find(self.text)
        if chosen in self.found:
            self.number = self.found.index(chosen)

    @property
    def chosen(self) -> Destination | None:
        """Return the chosen place; None if no place fits."""
        return self.found[self.number] if self.found else None

    def find(self, text: str) -> None:
        """Look for the letters of ``text``, in any case; blanks between them make no difference."""
        self.text, self.number = text, 0
        letters = "".join(folded(text).split())[:_MAX_LETTERS]
        # What does not fit some letters does not fit these and more.
        narrows = letters.startswith(self._letters)
        self._letters = letters
        values = [
            (found[0], pair)
            for pair in (self._fitting if narrows else self._all)
            if (found := fit(letters, pair[0])) is not None
        ]
        # In the order of all places, for the next letter.
        self._fitting = [pair for _, pair in values]
        values.sort(key=itemgetter(0), reverse=True)
        self.found = [each for _, (_, each) in values]

    def places(self, destination: Destination) -> tuple[int, ...]:
        """Return which letters of the name fit; none where the folded name has another length."""
        name = folded(destination.name)
        found = fit(self._letters, name)
        return () if found is None or len(name) != len(destination.name) else found[1]

    def move(self, step: int) -> None:
        """Choose the place ``step`` further down; the first follows the last."""
        if self.found:
            self.number = (self.number + step) % len(self.found)
