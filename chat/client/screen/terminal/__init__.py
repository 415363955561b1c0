"""The terminal of the screen: curses, private modes, and output that waits for a slow terminal.

Knows rows of styled text, and no model.
"""
