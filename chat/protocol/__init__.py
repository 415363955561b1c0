"""The wire without I/O: descriptor, headers, texts, names, file names, notices, errors.

Nothing here knows a socket, a clock or who is connected: bytes and values in, bytes and values out.
"""
