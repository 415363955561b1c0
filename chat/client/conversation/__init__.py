"""Carry out what a user wants done: say, send, fetch, moderate; keep what is not answered yet.

Nothing here knows how events are shown, or how a connection is made.
"""
