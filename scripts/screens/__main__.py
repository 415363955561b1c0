"""Play the scenes, and write the screens for the documentation: ``python -m scripts.screens``."""

from __future__ import annotations

from scripts.screens import SCREENS
from scripts.screens.drawing import draw_svg
from scripts.screens.scenes import play


def main() -> None:
    """Write all screens."""
    SCREENS.mkdir(exist_ok=True)
    for name, screen in play():
        (SCREENS / f"{name}.txt").write_text(screen.text, encoding="utf-8")
        svg = draw_svg(screen, f"screen-{name}")
        (SCREENS / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(f"docs/screens/{name}.txt, {name}.svg")


if __name__ == "__main__":
    main()
