"""Keep the members of a room, and the order of the frames that they get; define the commands that users may send.

Nothing here knows a socket, a byte order or a disk.
"""
