"""The metrics of a cluster, read by Prometheus' own parser."""

from __future__ import annotations

from typing import Any

from prometheus_client import parser

from chat.server.monitoring.cluster_metrics import cluster
from chat.server.monitoring.metrics import Metrics
from tests.package_tree import ROOT
from tests.server.replication.test_cluster_report import HERE, STATUS


def samples(**changes: Any) -> dict[tuple[str, str], float]:
    text, _ = Metrics(lambda: cluster({**STATUS, **changes})).render("")
    return {
        (sample.name, sample.labels.get("standing", "")): sample.value
        for family in parser.text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name.startswith("chat_cluster_")
    }


def test_all_is_well() -> None:
    assert samples() == {
        ("chat_cluster_standing", "following"): 1,
        ("chat_cluster_following", ""): 1,
        ("chat_cluster_applied_entries", ""): 12345,
        ("chat_cluster_head_entries", ""): 12345,
        ("chat_cluster_waiting_records", ""): 0,
        ("chat_cluster_waiting_bytes", ""): 0,
        # The lease of the other server is over.
        ("chat_cluster_servers", ""): 1,
        ("chat_cluster_lease_seconds", ""): 12.34,
    }


def test_the_engine_is_away() -> None:
    found = samples(
        standing="engine away",
        waiting={"records": 3, "bytes": 99},
        servers=[{**HERE, "lease_ends_in": None}],
    )
    assert found["chat_cluster_standing", "engine away"] == 1
    assert found["chat_cluster_following", ""] == 0
    assert found["chat_cluster_waiting_records", ""] == 3
    assert found["chat_cluster_waiting_bytes", ""] == 99
    assert found["chat_cluster_servers", ""] == found["chat_cluster_lease_seconds", ""] == 0


def test_the_document_has_each() -> None:
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert not [name for name, _ in samples() if f"`{name}" not in text]
