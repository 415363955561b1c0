"""Both runtimes of the library, for tests that hold with either."""

from __future__ import annotations

import pytest

from chat.client.gevent_runtime import GEVENT
from chat.client.runtime import PLAIN

with_both_runtimes = pytest.mark.parametrize("runtime", [PLAIN, GEVENT], ids=["plain", "gevent"])
