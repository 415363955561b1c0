"""Keep the state that users share alike on several servers: records of the log, members elsewhere, restart, copies.

Owns what a record means, and the operator's view of a cluster. It never opens a socket of a user.
"""
