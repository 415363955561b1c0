"""Judge whether a client without a person has a room to talk to."""

from __future__ import annotations

from collections.abc import Iterable

from chat.client.program.settings import Mode, Settings


def why_no_room(settings: Settings, refused: Iterable[tuple[str, str, str]]) -> str | None:
    """Return why there is no room to talk to, a line for each room that has ``refused`` the user; None if there is one.

    A refused room comes with the code and the sentence of the refusal. Lines are for the first room of the settings,
    and must not go to another one.
    """
    sentences = {room: sentence for room, _, sentence in refused}
    takes_lines = settings.mode is Mode.PLAIN and not settings.listen and not settings.commands
    needed = settings.rooms[:1] if takes_lines else settings.rooms
    if not needed or not sentences.keys() >= set(needed):
        return None
    return "\n".join(f"{room}: {sentence}" for room, sentence in sentences.items())
