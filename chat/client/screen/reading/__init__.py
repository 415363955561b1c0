"""Move in a log: scroll, fetch what is further back, and search.

Nothing here draws, or knows the terminal and the connection: requests are handed on as values.
"""
