"""One target under atheris: ``python -m tests.fuzzing.guided TARGET [what libFuzzer takes]``. It never returns."""

from __future__ import annotations

import sys


def main() -> None:
    # atheris has to be there before what it is to look at; and it is no dependency of ours.
    import atheris

    with atheris.instrument_imports(include=["chat"]):
        from tests.fuzzing.targets import TARGETS
    check = TARGETS[sys.argv.pop(1)].check
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
