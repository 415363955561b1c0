"""Convert history files that earlier versions of the program have written.

Knows rows and columns: no connection that is in use, no thread, no user.
"""
