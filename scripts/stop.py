"""Stop the servers that ``make run`` started in this checkout: ``make stop``."""

import sys
from pathlib import Path

from scripts.background import BackgroundServerError, stop_all

STATE = Path(__file__).resolve().parent.parent / ".run"


def main() -> int:
    """Stop them, and return the exit status."""
    try:
        stopped = stop_all(STATE) if STATE.exists() else []
    except BackgroundServerError as problem:
        print(f"make stop: {problem}", file=sys.stderr)
        return 1
    for address in stopped:
        print(f"Stopped the server on {address}.")
    if not stopped:
        print("No server of this checkout is running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
