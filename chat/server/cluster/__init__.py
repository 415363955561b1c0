"""Keep one log for several servers in Redis or Valkey, and give each server its entries in one order.

Owns the log in the engine: connections, functions, leases and fences. Records are bytes; it knows no session, no room,
no socket of users.
"""
