"""Start a program of this checkout in the environment that ``make run`` or ``make install`` made.

Under any Python 3 that ``env`` finds: it has only to get from there into ``.venv``, or to say in
one line what is missing.
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
INTERPRETER = ENVIRONMENT / "bin" / "python"


def launch(name: str) -> int:
    """Run the program of that ``name`` in chat.start: its exit status, or 1 where it can't be run."""
    program = Path(sys.argv[0]).resolve()
    try:
        _enter_environment(program)
        _load_package(program)
        return int(getattr(importlib.import_module("chat.start"), name)())
    except ImportError as missing:
        module = missing.name or ""
        if module.partition(".")[0] == "chat":
            raise  # a fault of ours, which no installation would cure
        what = f"{module or missing.msg} is missing: run 'make install' in {ROOT}"
        print(f"{program.name}: {what}", file=sys.stderr)
        return 1


def _enter_environment(program: Path) -> None:
    """Go on in ``.venv``, if there is one. Raises ImportError if no Python here will do."""
    # The second question keeps an environment that has lost its pyvenv.cfg from starting itself forever.
    inside = Path(sys.prefix).resolve() == ENVIRONMENT.resolve()
    if not inside and Path(sys.executable) != INTERPRETER and INTERPRETER.exists():
        try:
            os.execv(str(INTERPRETER), [str(INTERPRETER), str(program), *sys.argv[1:]])
        except OSError as problem:
            raise ImportError(f"a working {INTERPRETER} ({problem.strerror})") from problem
    if sys.version_info < (3, 10):  # noqa: UP036 - env may have found an older one
        raise ImportError("Python 3.10 or newer")


def _load_package(program: Path) -> None:
    """Make ``import chat`` find this checkout's package, and nothing else of the checkout.

    Neither the checkout nor bin/ stays on ``sys.path``: the client saves what it receives where it was
    started, and a ``ujson.py`` that somebody sent must not be what the next start imports.
    """
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != program.parent]
    init = ROOT / "chat" / "__init__.py"
    spec = importlib.util.spec_from_file_location(
        "chat", str(init), submodule_search_locations=[str(init.parent)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the package in {init.parent}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["chat"] = package
    spec.loader.exec_module(package)
