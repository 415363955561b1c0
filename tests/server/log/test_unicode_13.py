"""Characters that every Python of a cluster knows: those of Unicode 13."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.log.unicode_13 import TABLE, in_unicode_13, is_in_unicode_13
from scripts import unicode_13

NEW = "\U0001fae0"  # the melting face, of Unicode 14


def python_3_10() -> str | None:
    """Return a Python that has Unicode 13, if this machine has one."""
    found = shutil.which("python3.10")
    # A shim of pyenv starts only the version that is chosen; the others are beside it.
    beside = Path(found).parents[1].glob("versions/3.10.*/bin/python") if found else ()
    for python in (sys.executable, *map(str, beside), *([found] if found else [])):
        program = "import unicodedata; print(unicodedata.unidata_version)"
        done = subprocess.run([python, "-c", program], capture_output=True, check=False, timeout=60)
        if done.stdout.startswith(b"13."):
            return python
    return None


def test_the_table_is_that_of_a_python_with_unicode_13() -> None:
    python = python_3_10()
    if python is None:
        pytest.skip("no Python 3.10 here")
    program = "import json, runpy; print(json.dumps(runpy.run_path({!r})['bounds']()))"
    script = str(unicode_13.__file__)
    done = subprocess.run(
        [python, "-c", program.format(script)], capture_output=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == json.loads(TABLE.read_text(encoding="ascii"))


def test_characters_of_later_versions_are_known() -> None:
    assert is_in_unicode_13("Ève \N{GRINNING FACE} 日本")
    assert not is_in_unicode_13(f"Eve{NEW}")
    assert in_unicode_13(f"a{NEW}b") == "a\N{REPLACEMENT CHARACTER}b"
    assert in_unicode_13("日本") == "日本"


@pytest.mark.skipif(unicodedata.unidata_version < "13", reason="this Python knows less")
@given(st.characters(codec="utf-8"))
def test_this_python_has_at_least_those(character: str) -> None:
    if is_in_unicode_13(character):
        assert unicodedata.category(character) != "Cn"
