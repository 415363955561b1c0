"""Cause trouble in a cluster while users talk, and check what they saw: ``python -m tests.cluster``."""
