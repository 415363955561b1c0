"""Hold one user's connection to a room: the library behind ``chat.client``.

Nothing here prints, asks a person or imports gevent.
"""
