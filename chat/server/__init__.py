"""Serve a chat room over TCP.

At this level stands what puts the parts together: nothing below imports ``cli``, ``program``, ``server`` or
``composition``. Everything may import ``settings``.
"""
