"""Play the scenes, and write the screens for the documentation: ``python -m scripts.screens``."""

from __future__ import annotations

from scripts.screens import SCREENS
from scripts.screens.browser import CHROMIUM
from scripts.screens.drawing import LOOKS, draw_svg
from scripts.screens.exported import draw_exported_page
from scripts.screens.scenes import play


def main() -> None:
    """Write all screens."""
    SCREENS.mkdir(exist_ok=True)
    for look in LOOKS:
        for name, screen in play(look):
            # The words are the same on any background.
            (SCREENS / f"{name}.txt").write_text(screen.text, encoding="utf-8")
            drawing = f"{name}{look.suffix}"
            svg = draw_svg(screen, f"screen-{drawing}", look)
            (SCREENS / f"{drawing}.svg").write_text(svg, encoding="utf-8")
            print(f"docs/screens/{name}.txt, {drawing}.svg")
        if CHROMIUM is None:
            print("chromium is not installed: the pictures of the exported page stay as they are")
        else:
            print(f"docs/screens/{draw_exported_page(look).name}")


if __name__ == "__main__":
    main()
