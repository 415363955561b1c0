"""Handle what both ends of a connection need: addresses and URLs, key fingerprints, TLS over memory, vanished peers.

Nothing here knows the protocol, a user or a room. Frames are read by ``chat.framing``.
"""
