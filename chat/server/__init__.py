"""Serve a chat room over TCP.

The modules at this level put the parts together. No package below imports ``cli``, ``program``, ``server``,
``listener`` or ``composition``. All of them may import ``settings``.
"""
