"""Prepare the process: signals, standard streams, loading of modules, and calls in threads.

Nothing here knows the server or the client.
"""
