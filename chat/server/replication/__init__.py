"""Let several servers be one chat: they apply the same records of one log, and so have the same users and rooms.

Knows sessions only as Member, and the engine of the log only through ``cluster``. No other package knows this one, but
the modules that put a server together.
"""
