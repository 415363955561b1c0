"""Markup in texts: code, emphasis, quotes, links.

Finds the parts of a text and names their styles; the text itself is never changed. Knows no model and no terminal.
"""
