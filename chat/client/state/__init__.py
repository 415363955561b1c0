"""Keep what a client needs over its own restarts: its device, its places in the logs, and its unanswered lines.

Knows no connection, no screen and no event loop.
"""
