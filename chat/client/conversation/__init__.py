"""Carry out requests of the user: send, fetch, moderate. Keep messages until they are answered.

Nothing here knows how events are shown, or how a connection is made.
"""
