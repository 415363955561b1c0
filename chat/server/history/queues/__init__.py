"""Queue runs for the history file: behind the room, or in a durable server before the users.

Knows runs, and the writer of the file: no reader, no page, no frame.
"""
