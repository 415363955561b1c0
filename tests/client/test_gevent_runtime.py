from __future__ import annotations

from chat.client import gevent_runtime
from chat.client.runtime.gevent_runtime import GEVENT


def test_the_documented_path_names_the_same_objects() -> None:
    assert gevent_runtime.GEVENT is GEVENT
