"""Decide what reaches the user, and how loudly: ignored users, mentions, joins and leaves.

Nothing here knows a connection, or how anything is shown.
"""
