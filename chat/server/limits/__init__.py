"""Count what users and addresses do, and decide how much is too much.

Nothing here knows a connection, a user or a room: keys and rates only.
"""
