"""Read and check the operator's input: options of the command line and of the file, and what they refer to.

Nothing here acts on a setting. The settings and their defaults are in ``chat.server.settings``.
"""
