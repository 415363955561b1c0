"""A chat room over TCP, with a terminal client."""

__version__ = "0.1.0"
