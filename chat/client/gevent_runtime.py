"""The public name of ``chat.client.runtime.gevent_runtime`` for users of the library."""

from chat.client.runtime.gevent_runtime import GEVENT

__all__ = ["GEVENT"]
