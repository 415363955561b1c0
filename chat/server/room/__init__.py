"""Deliver what users and the server say, in one order; define the commands that users may send.

Nothing here knows a socket, a byte order or a disk.
"""
