"""Start a program of this checkout in the environment that ``make run`` or ``make install`` made.

This runs under any Python 3 that ``env`` finds. It has only to get into ``.venv`` from there, or to say in one line
what is missing. The first Python may do no more than start another, so this module imports only ``os`` and ``sys``,
which are loaded already.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
ENVIRONMENT = os.path.join(ROOT, ".venv")
INTERPRETER = os.path.join(ENVIRONMENT, "bin", "python")


def launch(name: str) -> int:
    """Run the program ``name`` of chat.start; return its exit status, or 1 if it can't be run."""
    program = os.path.realpath(sys.argv[0])
    try:
        _enter_environment(program)
        import importlib

        _load_package(program)
        return int(getattr(importlib.import_module("chat.start"), name)())
    except ImportError as missing:
        module = missing.name or ""
        if module.partition(".")[0] == "chat":
            raise  # a bug, which no installation would fix
        what = f"{module or missing.msg} is missing: run 'make install' in {ROOT}"
        print(f"{os.path.basename(program)}: {what}", file=sys.stderr)
        return 1


def _enter_environment(program: str) -> None:
    """Continue in ``.venv`` if it exists. Raises ImportError if no Python here will do."""
    # The second condition keeps an environment that has lost its pyvenv.cfg from starting itself for ever.
    inside = os.path.realpath(sys.prefix) == os.path.realpath(ENVIRONMENT)
    if not inside and sys.executable != INTERPRETER and os.path.exists(INTERPRETER):
        try:
            os.execv(INTERPRETER, [INTERPRETER, program, *sys.argv[1:]])
        except OSError as problem:
            raise ImportError(f"a working {INTERPRETER} ({problem.strerror})") from problem
    if sys.version_info < (3, 10):  # noqa: UP036 - env may have found an older one
        raise ImportError("Python 3.10 or newer")


def _load_package(program: str) -> None:
    """Make ``import chat`` find this checkout's package, and nothing else of the checkout.

    Neither the checkout nor bin/ stays on ``sys.path``. The client saves received files where it was started, and the
    next start must not import a ``ujson.py`` that a peer sent.
    """
    place = os.path.dirname(program)
    sys.path[:] = [entry for entry in sys.path if entry and os.path.realpath(entry) != place]
    import importlib.util

    directory = os.path.join(ROOT, "chat")
    spec = importlib.util.spec_from_file_location(
        "chat", os.path.join(directory, "__init__.py"), submodule_search_locations=[directory]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the package in {directory}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["chat"] = package
    spec.loader.exec_module(package)
