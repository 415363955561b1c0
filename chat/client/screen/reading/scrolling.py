"""Scroll what is shown by keys, and have more of it fetched where it ends."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.screen.draw.layout import Renderer, Size
from chat.client.screen.input.keys import Action
from chat.client.screen.model.model import Model

WHEEL_ROWS = 3


class Scroller:
    """Scroll in ``model``. ``actions`` has a function for each key that scrolls.

    ``size`` returns the size of the screen. ``reach`` is called when the log has moved: see ``ReadingBack.look``.
    """

    def __init__(
        self,
        model: Model,
        renderer: Renderer,
        size: Callable[[], Size],
        reach: Callable[[], object],
    ) -> None:
        self._model = model
        self._renderer = renderer
        self._size = size
        self._reach = reach
        self.actions: dict[Action, Callable[[], object]] = {
            Action.PAGE_UP: lambda: self._scroll_pages(-1),
            Action.PAGE_DOWN: lambda: self._scroll_pages(1),
            Action.SCROLL_UP: lambda: self.scroll(-1),
            Action.SCROLL_DOWN: lambda: self.scroll(1),
            Action.WHEEL_UP: lambda: self.scroll(-WHEEL_ROWS),
            Action.WHEEL_DOWN: lambda: self.scroll(WHEEL_ROWS),
            Action.TOP: self._to_top,
            Action.BOTTOM: self.to_bottom,
        }

    def scroll(self, rows: int) -> None:
        """Scroll down by ``rows``, or up if negative."""
        self._renderer.scroll(self._model, rows, self._size())
        if rows:
            self._reach()

    def go_back(self) -> None:
        """Close the page, or go to the end of the log."""
        if not self._model.close_page():
            self.to_bottom()

    def to_bottom(self) -> None:
        """Go to the end of what is shown, and end a search."""
        self._model.search = None
        self._renderer.scroll_to_bottom(self._model)
        # The end of the log is there already; that of a part of it may have to be fetched.
        if self._model.page is not None:
            self._reach()

    def _scroll_pages(self, pages: int) -> None:
        self._renderer.scroll_pages(self._model, pages, self._size())
        self._reach()

    def _to_top(self) -> None:
        self._renderer.scroll_to_top(self._model, self._size())
        self._reach()
