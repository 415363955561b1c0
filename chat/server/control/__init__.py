"""Let commands ask and change a running server, over a unix socket in the data directory.

Nothing here knows frames, users or rooms: the server is composed with a function for each command.
"""
