"""Present the conversation as lines of text or of JSON, and hold the wording that the screen shares.

Nothing here knows curses.
"""
