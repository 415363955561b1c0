"""The wire format without I/O: descriptor, headers, texts, names, file names, notices, errors.

Bytes and values go in, bytes and values come out. This package knows no socket, no clock, and not who is connected.
"""
