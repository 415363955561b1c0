"""Decide who comes in under which name, and let sessions come and go: alike on every server that shares the log.

Knows sessions only as a small protocol, and no frame.
"""
