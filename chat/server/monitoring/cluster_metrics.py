"""Read the metrics of a server that shares its chat with others, from the status that `cluster status` shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric


def cluster(status: Mapping[str, Any]) -> Iterator[Metric]:
    """Yield how the server stands to the log. No label has the name of another server."""
    standing = GaugeMetricFamily(
        "chat_cluster_standing",
        "How the server stands to the log of its cluster; 1 for the one that holds.",
        labels=["standing"],
    )
    standing.add_metric([status["standing"]], 1)
    yield standing
    waiting, servers = status["waiting"], status["servers"]
    held = [server for server in servers if (server["lease_ends_in"] or 0) > 0]
    own = [server["lease_ends_in"] for server in held if server["is_here"]]
    lease = own[0] if own else 0.0
    yield _gauge("following", "1 while the server follows the log.", _follows(status))
    yield _gauge(
        "applied_entries", "The last entry that the server has applied.", status["applied"]
    )
    yield _gauge("head_entries", "The last entry that the server knows of.", status["head"])
    yield _gauge("waiting_records", "Records that wait for the engine.", waiting["records"])
    yield _gauge("waiting_bytes", "Bytes in records that wait for the engine.", waiting["bytes"])
    yield _gauge("servers", "Servers that hold a lease, with this one.", len(held))
    yield _gauge("lease_seconds", "Time to the end of this server's lease; 0 if it is over.", lease)


def _follows(status: Mapping[str, Any]) -> bool:
    return bool(status["standing"] == "following")


def _gauge(name: str, documentation: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(f"chat_cluster_{name}", documentation)
    gauge.add_metric([], value)
    return gauge
