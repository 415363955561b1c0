"""Copy all that a server keeps: to a directory of the operator, and back.

Knows the files of a data directory, and nothing of their contents.
"""
