"""Show the client on a whole terminal: the application around its model, drawing and input.

Only ``terminal`` knows curses.
"""
