"""Give kept messages to people and programs outside, as texts, JSON lines or pages, and take the logs of others.

Knows runs with their numbers, and the history file: no session, no frame, no server that runs.
"""
