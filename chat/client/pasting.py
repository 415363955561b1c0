"""What tells a paste from typing where the terminal does not mark it, on a screen and in lines alike."""

from __future__ import annotations

# Seconds in which text follows Enter only if nobody typed it.
ENTER_PAUSE = 0.01
# Seconds of silence that end a paste: on a slow line it comes in pieces.
PASTE_QUIET = 0.5
# Characters, or bytes, of a paste that are kept as one; a longer one is handed on in pieces.
MAX_PASTE = 1024 * 1024
# A paste with more lines than this was hardly meant to be one message, nor to be said line by line.
PASTE_LINES = 5
