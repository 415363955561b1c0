"""The files of ``deploy/cluster`` and their document: where they are, and copies with secrets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests import homes
from tests.package_tree import ROOT

CLUSTER = ROOT / "deploy" / "cluster"
COMPOSE = CLUSTER / "compose.yaml"


def read_compose() -> dict[str, Any]:
    """Return the compose file, with what it takes from its own anchors."""
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE)
    return found


def document() -> str:
    """Return docs/cluster.md."""
    return (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


def prepared(directory: Path) -> Path:
    """Copy the files to ``directory``, make secrets there, and return the directory of the secrets."""
    copy = directory / "cluster"
    if not copy.exists():
        shutil.copytree(CLUSTER, copy, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(
        [copy / "prepare"], env=homes.environment(), check=True, capture_output=True, timeout=20
    )
    return copy / "secrets"
