"""Write the title of the terminal's window, which is visible while another window is in front."""

from __future__ import annotations

from chat.client.screen.model.model import Model
from chat.client.screen.text.cells import elide
from chat.sanitize import sanitize

_MAX_CELLS = 60
# A busy room would change the title with every frame. Nobody reads more digits than these anyway.
_MAX_COUNT = 99


def window_title(model: Model) -> str:
    """Return a title such as ``(3) chat.example.org:8080``; ``(3!)`` if one of the messages is for the user.

    The number is that of the unread messages in all views.
    """
    badges = [view.badge for view in model.views]
    unread, calls = sum(each.unread for each in badges), any(each.calls for each in badges)
    shown = f"{_MAX_COUNT}+" if unread > _MAX_COUNT else str(unread)
    count = f"({shown}{'!' if calls else ''}) " if unread else ""
    return elide(count + sanitize(model.address), _MAX_CELLS)
