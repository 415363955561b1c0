"""Know the rooms: their names, settings, members and invited users, and how they are stored.

Nothing here knows a frame or a socket, or tells a user anything.
"""
