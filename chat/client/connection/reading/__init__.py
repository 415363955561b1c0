"""Give each event that was read to the task that waits for it: readers of a room, of the rest, and of answers.

Nothing here knows a socket or a frame.
"""
