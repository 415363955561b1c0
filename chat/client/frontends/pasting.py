"""Limits that tell a paste from typing where the terminal does not mark pastes, for the screen and for plain mode."""

from __future__ import annotations

# Text that follows Enter within so many seconds was not typed.
ENTER_PAUSE = 0.01
# Seconds of silence that end a paste: over a slow connection, a paste comes in pieces.
PASTE_QUIET = 0.5
# Characters, or bytes, of a paste that are kept as one; a longer paste is handed on in pieces.
MAX_PASTE = 1024 * 1024
# The client asks before it sends a paste with more lines than this.
PASTE_LINES = 5
