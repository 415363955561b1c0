"""Hold what the screen shows, as plain objects.

Nothing here knows rows, cells or keys.
"""
