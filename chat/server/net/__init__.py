"""Handle sockets before there are users: listening, PROXY protocol, TLS, certificates, and the slots for connections.

Nothing here knows frames, users or rooms.
"""
