"""Present the conversation as lines of text or of JSON, and share the wording with the screen.

Nothing here knows curses.
"""
