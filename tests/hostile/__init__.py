"""The real server under attack, with two users inside who talk on: ``python -m tests.hostile``."""
