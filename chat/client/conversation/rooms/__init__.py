"""Rooms, as the user wants them: joined and left, listed with their users, changed.

Nothing here knows a socket, or how anything is shown.
"""
