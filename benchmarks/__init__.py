"""Measure the speed figures: our server and others, on the same work, side by side."""
