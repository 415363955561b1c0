"""Tell turns of the mouse wheel from the arrow keys that a terminal sends in their place.

The mouse belongs to the terminal, so that it selects text as everywhere else. Then a terminal sends arrow keys for the
wheel while the alternate screen is shown (xterm's mode 1007): for each notch several at once, the same bytes as those
of the keys. Up and Down also fetch earlier messages, and a turn of the wheel must not put one into the input, where
the next Enter would send it. Only time tells the two apart:

- Nobody presses a key twice within 20 ms, and keys repeat more slowly (usually every 33 ms). So arrows of one direction
  that come faster are the wheel. The first arrow is held back for those 20 ms, which nobody notices.
- While the wheel turns, single arrows may follow, as from a touchpad. A hand needs longer than 200 ms to get back to
  the keys, so arrows within that time are the wheel too.

Over a slow line, repeated keys may arrive together and count as the wheel. They scroll then, which does no harm. A
single arrow of a touchpad counts as a key; the composer sees to it that a key never replaces a draft.
"""

from __future__ import annotations

from chat.client.screen.input.decoder import Input

# Seconds.
TURN_PAUSE = 0.02
TURN_LASTS = 0.2

# One line of the log for each arrow: a terminal sends as many as it would scroll lines.
_TURNS: dict[Input, str] = {"<up>": "<scroll-up>", "<down>": "<scroll-down>"}


class ArrowWheel:
    """Replace arrows of the wheel by ``<scroll-up>`` and ``<scroll-down>``.

    The moments are in seconds of any clock that only goes forward.
    """

    def __init__(self) -> None:
        self._held: Input | None = None
        self._held_at = 0.0
        self._turned_at = -TURN_LASTS

    def feed(self, inputs: list[Input], now: float) -> list[Input]:
        """Take inputs that came at ``now``; return those that are certain."""
        certain: list[Input] = []
        for each in inputs:
            turn = _TURNS.get(each)
            if turn is None or (self._held is not None and self._held != each):
                certain += self.release()
            if turn is None:
                certain.append(each)
            elif self._held is None and now >= self._turned_at + TURN_LASTS:
                self._held, self._held_at = each, now
            else:
                certain += [turn] if self._held is None else [turn, turn]
                self._held, self._turned_at = None, now
        return certain

    def patience(self, now: float) -> float | None:
        """Return the seconds until ``expire`` must be called if nothing comes; None means never."""
        return None if self._held is None else max(0.0, self._held_at + TURN_PAUSE - now)

    def expire(self, now: float) -> list[Input]:
        """Return the arrow that is certainly a key, because nothing has come until ``now``."""
        return [] if now < self._held_at + TURN_PAUSE else self.release()

    def release(self) -> list[Input]:
        """Return the arrow that is held back."""
        held, self._held = self._held, None
        return [] if held is None else [held]
