"""The engines of a run: each server has its own view of them, also after a failover."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat.net.engine_url import parse_engine_url
from chat.server.cluster.redis_connection import Dialer, EngineAway
from tests.cluster.engines import Engines, EngineView
from tests.end_to_end.server_process import eventually
from tests.server.cluster.engine_process import needs_engine

pytestmark = needs_engine


@pytest.mark.thorough(
    "takes 6 s; shows that a cut of one server's view, and a failover, are what they should be"
)
def test_one_server_is_cut_off_and_all_follow_a_failover(tmp_path: Path) -> None:
    engines = Engines(tmp_path, has_replica=True)
    views: list[EngineView] = []
    try:
        engines.start()
        views = [EngineView(engines, prefix="test", replicas=1) for _ in range(2)]
        cut, other = (Dialer(parse_engine_url(view.url), 1.0) for view in views)
        first = other.dial().node
        views[0].hold()
        with pytest.raises(EngineAway):
            cut.dial()
        assert other.dial().node == first
        views[0].release()
        assert cut.dial().node == first
        former = engines.primary
        former.kill()

        def has_followed() -> bool:
            try:
                return other.dial().node != first
            except EngineAway:
                return False

        eventually(has_followed)
        former.start()
        engines.settle()
        assert engines.primary is not former
    finally:
        for view in views:
            view.close()
        engines.close()
