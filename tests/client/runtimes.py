"""Both runtimes of the library, for tests that hold with either."""

from __future__ import annotations

import pytest

from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.runtime.runtime import PLAIN

with_both_runtimes = pytest.mark.parametrize("runtime", [PLAIN, GEVENT], ids=["plain", "gevent"])
