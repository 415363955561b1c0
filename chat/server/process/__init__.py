"""Serve the server's own process: its log, its memory, its event loop, and the service manager.

Nothing here knows a connection, a user or a room.
"""
