"""Encrypted connections between servers that share a secret: the proofs of both sides, requests and answers.

Runs in a process of its own. Knows descriptors and sizes; it opens no database and no index, and keeps nothing.
"""
