"""Limits that tell a paste from typing if the terminal does not mark pastes. For the screen and plain mode."""

from __future__ import annotations

# Seconds: text that follows Enter sooner was pasted, not typed.
ENTER_PAUSE = 0.01
# Seconds of silence that end a paste: over a slow connection, a paste comes in pieces.
PASTE_QUIET = 0.5
# Characters, or bytes, of one paste. A longer paste is handled in pieces.
MAX_PASTE = 1024 * 1024
# The client asks before it sends a paste with more lines than this.
PASTE_LINES = 5
