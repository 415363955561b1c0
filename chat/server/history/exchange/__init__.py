"""Give kept messages to people and programs outside, as texts, JSON lines or pages for a browser.

Knows runs with their numbers, and reads the history file: no session, no frame, no server that runs.
"""
