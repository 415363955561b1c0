"""Encode the welcome: the facts about the server and the room that a JSON client gets after its login."""

from __future__ import annotations

from collections.abc import Mapping

from chat import __version__
from chat.protocol.headers import encode_json
from chat.server.settings import Settings

SOFTWARE = f"chat/{__version__}"


def encode_welcome(
    settings: Settings,
    token: str | None,
    inline: int | None,
    device: bool | None,
    members_json: bytes,
    facts: Mapping[str, object],
) -> bytes:
    """Return the welcome as JSON: see docs/protocol.md for its keys.

    ``token`` is the secret of the session; ``device`` tells whether the device of the login counts, None for a login
    without a device. ``members_json`` is the JSON object of ``Roster.json``. ``facts`` are
    further keys.
    """
    limits: dict[str, object] = {
        "max_text": settings.max_text,
        "max_file": settings.max_file,
        "inline": inline,
    }
    if settings.history and settings.data_directory is not None and settings.keep_files:
        limits["resume"] = True
    rest: dict[str, object] = {
        "server": SOFTWARE,
        "session": token,
        "limits": limits,
        "motd": settings.motd,
    }
    if device is not None:
        rest["device"] = device
    rest.update(facts)
    # Put together by hand: the names are JSON already, and to encode ten thousand anew would be most of a login.
    return members_json[:-1] + b"," + encode_json(rest)[1:]
