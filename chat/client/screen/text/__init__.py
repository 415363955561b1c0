"""Measure and style text in cells of a terminal.

Nothing here knows the model, and nothing draws.
"""
