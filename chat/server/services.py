"""What sessions and transfers reach for; composition alone makes it. It goes when they are handed what they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chat import __version__
from chat.server.commands import Commands
from chat.server.folding import FoldingLog
from chat.server.loop_share import LoopShare
from chat.server.moderation import Moderation
from chat.server.newcomers import Newcomers
from chat.server.outbox import BacklogLimits
from chat.server.room import Room
from chat.server.settings import Settings
from chat.server.shelf import Shelf
from chat.server.spool import Spool
from chat.server.tally import Tally

if TYPE_CHECKING:
    from chat.server.session import Session

SOFTWARE = f"chat/{__version__}"


@dataclass(eq=False, repr=False)
class Services:
    """The parts that a session or a transfer uses. ``sessions`` are those of JSON clients, by their tokens."""

    settings: Settings
    spool: Spool
    shelf: Shelf
    room: Room
    backlogs: BacklogLimits
    newcomers: Newcomers
    share: LoopShare
    moderation: Moderation
    commands: Commands
    refusals: FoldingLog
    tally: Tally
    sessions: dict[str, Session]
