"""Prepare the server and the client of another commit, to be measured beside those of this checkout.

The commit's package is taken out of git into a cache, by hash. It runs under the interpreter that runs the benchmark,
with ``PYTHONPATH`` leading to the commit's package. So both have the same interpreter and the same releases of
the libraries, and only our code differs. Where the commit's setup.py asks for other libraries than today's, the commit
gets an environment in the cache. That environment is a layer over the running one, into which pip installs only what
the commit asks for and the running environment lacks.
"""

from __future__ import annotations

import ast
import compileall
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import CHECKOUT, python_environment
from chat.config.command_line import UsageError, report

CACHE = CHECKOUT / ".cache" / "benchmarks"
MOST_CACHED = 20  # commits; beyond that the ones used longest ago are removed
_SERVER = "chat.server.cli"
_TAKEN = ("chat", "setup.py")  # of a commit
_INSTALL_TIMEOUT = 600.0  # seconds
_TIMEOUT = 60.0  # seconds for anything else
_OPTION = re.compile(r"--[a-z][a-z-]*")
_PROBE = f"import chat, {_SERVER} as server; print(chat.__version__, server.__file__, sep='\\n')"


class Commit(NamedTuple):
    """Hold a commit's programs: ``python`` runs them, ``source`` is the directory of their package.

    ``options`` are the options that its server knows.
    """

    revision: str  # as it was asked for
    hash: str
    short: str
    source: Path
    python: Path
    version: str
    options: frozenset[str]

    @property
    def description(self) -> str:
        """Return the version, as it stands beside the figures."""
        return f"chat {self.version} of commit {self.hash}, Python {sys.version.split()[0]}"


def name_at(name: str, commit: Commit) -> str:
    """Return the name for ``name``'s figures when they are those of a commit."""
    return f"{name}@{commit.short}"


def prepare(revision: str, checkout: Path = CHECKOUT, cache: Path = CACHE) -> Commit:
    """Prepare the server of ``revision``, any that git understands.

    Raises UsageError if there is no such commit, or its server does not start here.
    """
    try:
        hash, short = _resolve(revision, checkout)
        home = _cached(hash, checkout, cache)
        source = home / "source"
        compile_package(source)
        python = _interpreter(home, checkout)
        version, options = _try_out(python, source)
    except (OSError, subprocess.TimeoutExpired, _Unusable) as problem:
        raise UsageError(f"cannot compare with {revision!r}: {problem}") from problem
    return Commit(revision, hash, short, source, python, version, options)


def compile_package(source: Path) -> None:
    """Compile the package before it is measured: a server that compiles would free memory that users then fill."""
    compileall.compile_dir(source / "chat", quiet=2)


def requirements(setup: str) -> list[str] | None:
    """Return ``install_requires`` of a setup.py, without running it; None if it is no list of plain strings."""
    try:
        calls = [node for node in ast.walk(ast.parse(setup)) if isinstance(node, ast.Call)]
        (listed,) = (
            keyword.value
            for call in calls
            for keyword in call.keywords
            if keyword.arg == "install_requires"
        )
        found = ast.literal_eval(listed)
    except (SyntaxError, ValueError):
        return None
    is_plain = isinstance(found, list) and all(isinstance(each, str) for each in found)
    return found if is_plain else None


class _Unusable(Exception):
    """Report why a commit can't be measured, in one line."""


def _resolve(revision: str, checkout: Path) -> tuple[str, str]:
    """Return the full hash and a short one."""
    if shutil.which("git") is None:
        raise _Unusable("git is not installed; without it there is no other commit to compare with")
    top = _git(checkout, "rev-parse", "--show-toplevel")
    if top.returncode or Path(_text(top.stdout)).resolve() != checkout.resolve():
        why = _last_line(top.stderr) if top.returncode else "git finds another repository around it"
        raise _Unusable(f"{checkout} is no git checkout ({why})")
    if not revision or revision.startswith("-"):
        raise _Unusable("expected a git revision after the @, such as HEAD~5 or a hash")
    found = _git(checkout, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found.returncode:
        raise _Unusable("git knows no such commit here (a shallow clone has only the newest)")
    hash = _text(found.stdout)
    return hash, _text(_git(checkout, "rev-parse", "--short", hash).stdout)


def _cached(hash: str, checkout: Path, cache: Path) -> Path:
    """Return the commit's directory in the cache, and make it if it is missing."""
    home = cache / hash
    if not home.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=cache) as new:
            _take_out(hash, checkout, Path(new, "home"))
            _move(Path(new, "home"), home)
    os.utime(home)
    _forget_oldest(cache, keep=home)
    return home


def _take_out(hash: str, checkout: Path, home: Path) -> None:
    source = home / "source"
    source.mkdir(parents=True)
    archive = home / "archive.tar"
    made = _git(checkout, "archive", "--format=tar", f"--output={archive}", hash, *_TAKEN)
    if made.returncode:
        raise _Unusable(f"it has no server to measure ({_last_line(made.stderr)})")
    unpacked = _run(["tar", "-xf", str(archive), "-C", str(source)])
    if unpacked.returncode:
        raise _Unusable(f"it could not be unpacked ({_last_line(unpacked.stderr)})")
    archive.unlink()


def _move(new: Path, place: Path) -> None:
    """Move ``new`` to a place that was free; another run may have put an equal directory there meanwhile."""
    try:
        new.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _forget_oldest(cache: Path, keep: Path) -> None:
    homes = [home for home in cache.iterdir() if not home.name.startswith(".") and home != keep]
    homes.sort(key=lambda home: home.stat().st_mtime, reverse=True)
    for home in homes[MOST_CACHED - 1 :]:
        shutil.rmtree(home)


def _interpreter(home: Path, checkout: Path) -> Path:
    """Return the Python under which the commit finds the libraries that it asks for."""
    wanted = requirements((home / "source" / "setup.py").read_text(encoding="utf-8"))
    if wanted is None:
        raise _Unusable("its setup.py does not list install_requires as plain strings")
    if wanted == requirements((checkout / "setup.py").read_text(encoding="utf-8")):
        return Path(sys.executable)
    layer = home / f"venv-{_fingerprint()}"
    if not layer.is_dir():
        for outdated in home.glob("venv-*"):
            shutil.rmtree(outdated)
        report(
            "benchmarks", f"installing what commit {home.name[:12]} asks for beyond what is here"
        )
        with tempfile.TemporaryDirectory(prefix=".new-", dir=home) as new:
            _install(wanted, Path(new, "layer"))
            _move(Path(new, "layer"), layer)
    return layer / "bin" / "python"


def _fingerprint() -> str:
    """Return a hash of the running environment, which the layer depends on."""
    installed = sorted(f"{each.name}=={each.version}" for each in distributions())
    parts = (sys.version, sys.prefix, *installed)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _install(wanted: Sequence[str], layer: Path) -> None:
    """Make an environment that sees the running one's libraries, and install the libraries that are missing."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(layer)
    libraries = sysconfig.get_path("purelib", vars={"base": str(layer), "platbase": str(layer)})
    below = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    # Plain lines: .pth files of the running environment, which would bring in today's package, are not executed.
    Path(libraries, "below.pth").write_text("".join(f"{entry}\n" for entry in below))
    python = str(layer / "bin" / "python")
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    done = _run([python, "-m", "pip", "install", *quiet, *wanted], timeout=_INSTALL_TIMEOUT)
    if done.returncode:
        raise _Unusable(f"the libraries that it asks for could not be installed: {_error(done)}")


def _try_out(python: Path, source: Path) -> tuple[str, frozenset[str]]:
    """Return the commit's version and the options of its server.

    Raises _Unusable if another server would start.
    """
    told = _run([str(python), "-c", _PROBE], source)
    if told.returncode:
        raise _Unusable(f"its server does not start: {_error(told)}")
    version, file = _text(told.stdout).splitlines()[-2:]
    if source.resolve() not in Path(file).resolve().parents:
        raise _Unusable(f"Python would start the server in {file}, not the commit's")
    usage = _run([str(python), "-m", _SERVER, "--help"], source)
    return version, frozenset(_OPTION.findall(_text(usage.stdout)))


def _git(checkout: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return _run(["git", "-C", str(checkout), *words])


def _run(
    command: Sequence[str], source: Path | None = None, timeout: float = _TIMEOUT
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in an empty directory, because Python looks for packages in the current one first."""
    environment = python_environment(source) if source is not None else dict(os.environ)
    # Git sets these for its hooks; they would lead to another repository.
    environment = {k: v for k, v in environment.items() if not k.startswith("GIT_")}
    with tempfile.TemporaryDirectory(prefix="bench-") as empty:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=empty,
            env=environment,
            timeout=timeout,
        )


def _text(said: bytes) -> str:
    return said.decode(errors="replace").strip()


def _last_line(said: bytes) -> str:
    return (_text(said).splitlines() or ["it gave no reason"])[-1]


def _error(failed: subprocess.CompletedProcess[bytes]) -> str:
    """Return the line that tells the cause: pip marks it, and adds advice; a traceback ends with it."""
    lines = [line for line in _text(failed.stderr).splitlines() if line.startswith("ERROR:")]
    return lines[-1].removeprefix("ERROR:").strip() if lines else _last_line(failed.stderr)
