"""Keep the connected users by name, across all rooms.

Others see a user through a small protocol (name, host, registered, moderator, eject). Nothing here knows sessions or
rooms.
"""
