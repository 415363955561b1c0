"""Keep what was said, on disk: a view of the log that outlives the process.

Knows no session, no member and no frame: it takes runs that have their numbers, and gives back pages of them.
"""
