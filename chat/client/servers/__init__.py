"""The servers that one user may be at: those that the user has named, and others of the same cluster that these told.

Knows no rooms, no messages and no screen.
"""
