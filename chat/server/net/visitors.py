"""Serve visitors that ask one thing and leave: at most so many at a time, and the idle ones make way for new ones."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import gevent
from gevent.server import StreamServer

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

_PAUSE = 0.5  # seconds without accepting, after descriptors ran out
_GONE_BEFORE_ACCEPTED = (errno.ECONNABORTED, errno.EPROTO, errno.EPERM)
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

Visitor: TypeAlias = "gevent.Greenlet[..., Any]"


class VisitListener(StreamServer):
    """A StreamServer that prints no traceback for a visitor that left early, or when descriptors run out.

    ``visit`` serves one visitor, in a greenlet. ``when_short`` frees a descriptor.
    """

    max_accept = 16  # in one turn of the loop

    def __init__(
        self,
        listening: GeventSocket,
        visit: Callable[[GeventSocket, Any], None],
        when_short: Callable[[], object],
    ) -> None:
        self._when_short = when_short
        super().__init__(listening, visit)

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as problem:
            if problem.errno in _OUT_OF_DESCRIPTORS:
                self._when_short()
                # The connection stays pending in the kernel, so without a pause the loop would call this again at once.
                self.stop_accepting()
                gevent.spawn_later(_PAUSE, self._go_on)
            elif problem.errno not in _GONE_BEFORE_ACCEPTED:
                raise
        return None

    def _go_on(self) -> None:
        if not self.closed:
            self.start_accepting()


class Visitors:
    """The greenlets of at most ``at_once`` visitors.

    Some are idle and have sent no whole request yet; the others are being answered.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        # Dicts keep the order of arrival and remove an entry in constant time.
        self._idle: dict[Visitor, None] = {}
        self._answered: dict[Visitor, None] = {}

    def enter(self, visitor: Visitor) -> None:
        if len(self._idle) + len(self._answered) >= self._at_once:
            self.end_oldest()
        self._idle[visitor] = None

    def is_answered(self, visitor: Visitor) -> None:
        if visitor in self._idle:
            del self._idle[visitor]
            self._answered[visitor] = None

    def leave(self, visitor: Visitor) -> None:
        for group in (self._idle, self._answered):
            group.pop(visitor, None)

    def end_oldest(self) -> None:
        """Close the visitor that has been idle for longest; if none is idle, the one being answered for longest."""
        oldest = next(iter(self._idle or self._answered), None)
        if oldest is not None:
            self.leave(oldest)
            oldest.kill(block=False)

    def end_all(self) -> None:
        gevent.killall([*self._idle, *self._answered])
