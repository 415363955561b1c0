"""Commands about rooms, and keys of headers, for tests with random headers."""

from __future__ import annotations

from hypothesis import strategies as st

from chat.protocol.commands import Command, ListQuery, RoomChange

# The keys that mean something, with values that may be of any kind.
KEYS = """
    to session inline filename nonce fetch offset password
    command target seconds reason new_password
    from timestamp notice reason size id
    replay purged for epoch count more lost seq
    private after before at time limit with nonces
    room join topic kind keep owner history prefix edit delete reply react here announced
    device again account waiting
"""
OF_ROOMS = ("rooms", "names", "topic", "room")


def commands_about_rooms(
    text: st.SearchStrategy[str], whole: st.SearchStrategy[int]
) -> st.SearchStrategy[Command]:
    """Return commands with one of the verbs ``OF_ROOMS``."""
    some_text, some_number = st.none() | text, st.none() | whole
    lists = st.tuples(some_text, some_text, some_number).map(lambda f: ListQuery(*f))
    changes = st.tuples(some_text, some_number, some_text, some_text).map(lambda f: RoomChange(*f))
    return st.tuples(st.sampled_from(OF_ROOMS), some_text, some_text, lists, changes).map(
        lambda f: Command(
            f[0],
            room=f[1],
            topic=f[2] if f[0] == "topic" else None,
            listing=f[3] if f[0] in ("names", "rooms") else None,
            change=f[4] if f[0] == "room" else None,
        )
    )
