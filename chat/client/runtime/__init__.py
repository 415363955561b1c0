"""Provide sockets, locks and tasks, from threads or from gevent, and ways to wait that can be cancelled.

Nothing here knows the chat protocol. Only ``gevent_runtime`` and ``unblocked`` import gevent.
"""
