"""Start a program of this checkout in the environment that ``make run`` or ``make install`` made.

Under any Python 3 that ``env`` finds: it has only to get from there into ``.venv``, or to say in
one line what is missing. The first Python that runs this may only be there to start another, so
it loads nothing but ``os`` and ``sys``, which are there already.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
ENVIRONMENT = os.path.join(ROOT, ".venv")
INTERPRETER = os.path.join(ENVIRONMENT, "bin", "python")


def launch(name: str) -> int:
    """Run the program of that ``name`` in chat.start: its exit status, or 1 where it can't be run."""
    program = os.path.realpath(sys.argv[0])
    try:
        _enter_environment(program)
        import importlib

        _load_package(program)
        return int(getattr(importlib.import_module("chat.start"), name)())
    except ImportError as missing:
        module = missing.name or ""
        if module.partition(".")[0] == "chat":
            raise  # a fault of ours, which no installation would cure
        what = f"{module or missing.msg} is missing: run 'make install' in {ROOT}"
        print(f"{os.path.basename(program)}: {what}", file=sys.stderr)
        return 1


def _enter_environment(program: str) -> None:
    """Go on in ``.venv``, if there is one. Raises ImportError if no Python here will do."""
    # The second question keeps an environment that has lost its pyvenv.cfg from starting itself forever.
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

    Neither the checkout nor bin/ stays on ``sys.path``: the client saves what it receives where it was
    started, and a ``ujson.py`` that somebody sent must not be what the next start imports.
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
