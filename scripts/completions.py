"""Make the completion scripts for ``make docs``, from the usage texts and the tables of options."""

from __future__ import annotations

from pathlib import Path

from chat.client import cli as client
from chat.config.options import SHELLS
from chat.server import cli as server

DIRECTORY = Path(__file__).resolve().parent.parent / "completions"
# The names by which the shells find the script of a command.
_NAMES = {"bash": "bash/{}", "zsh": "zsh/_{}", "fish": "fish/{}.fish"}


def main() -> None:
    """Write the scripts."""
    for name, text in scripts().items():
        path = DIRECTORY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"completions/{name}")


def scripts() -> dict[str, str]:
    """Return the text of each completion script, by its path below ``completions``."""
    return {
        _NAMES[shell].format(program): completion(shell)
        for shell in SHELLS
        for program, completion in (
            ("chat-client", client.completion),
            ("chat-server", server.completion),
        )
    }


if __name__ == "__main__":
    main()
