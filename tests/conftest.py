"""Settings for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A loaded machine is no failure, so an example may take as long as it needs; the time limit of a test still holds.
settings.register_profile("chat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("chat")
