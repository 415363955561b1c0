"""Write the bare view past curses: lines that the terminal wraps, and the mouse left to the terminal."""

from __future__ import annotations

from chat.client.screen.draw.layout import Size

# No mouse, no colours, an empty screen, and the cursor at its top.
_BEGIN = b"\x1b[?1006l\x1b[?1000l\x1b[m\x1b[H\x1b[2J"


class BareView:
    """Know what the terminal shows. Nothing is sent twice, because output would end a selection."""

    def __init__(self) -> None:
        self._shown: tuple[tuple[str, ...], Size] | None = None
        self._is_on = False

    def sequence(self, lines: tuple[str, ...], size: Size) -> bytes:
        """Return the bytes that show ``lines`` on a terminal of ``size``; none if it shows them already."""
        self._is_on = True
        if self._shown == (lines, size):
            return b""
        self._shown = lines, size
        return _BEGIN + "\r\n".join(lines).encode(errors="replace")

    def forget(self) -> None:
        """Have the lines sent again, because another program wrote on the screen."""
        self._shown = None

    def end(self) -> bool:
        """End the bare view; return whether it was shown, and the screen must be drawn from nothing."""
        was_on, self._is_on, self._shown = self._is_on, False, None
        return was_on
