"""Let users into rooms and out of them, tell the others, and execute the commands about rooms.

Nothing here knows a message, a byte order or a socket.
"""
