"""Make the screens in the documentation: real runs of the client in a terminal, drawn as text and as SVG.

``make docs`` draws them again; a test plays the scenes and compares.
"""

from pathlib import Path

SCREENS = Path(__file__).resolve().parent.parent.parent / "docs" / "screens"
