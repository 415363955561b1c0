"""Handle sockets before users exist: listening, PROXY protocol, TLS, certificates, and connection slots.

Nothing here knows frames, users or rooms.
"""
