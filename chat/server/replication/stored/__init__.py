"""Keep the shared state of a cluster on the disk of each server, and bring data to the log.

Knows the database and the engine, and no session that is here.
"""
