"""Decide whether a connection is encrypted and whether its server is trusted.

Nothing here knows frames, users or rooms.
"""
