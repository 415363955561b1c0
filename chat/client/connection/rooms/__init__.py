"""Rooms as objects: a program iterates over one and sends to it, of a connection or of one that comes back.

Nothing here knows a socket, a frame, or how anything is shown.
"""
