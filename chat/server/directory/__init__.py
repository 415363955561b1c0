"""Know who is connected, by name, across all rooms.

Members are known by a small protocol (name, host, registered, moderator, eject). Nothing here knows sessions or rooms.
"""
