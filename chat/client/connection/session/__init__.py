"""Know a session and its rooms, as the server tells about them: the welcome, users, topics.

Knows no socket, no receipt and no message.
"""
