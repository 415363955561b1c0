"""Own the data directory and the database in it.

Nothing here knows what the tables mean: accounts and bans bring their own records.
"""
