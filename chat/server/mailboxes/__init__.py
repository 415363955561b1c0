"""Keep what belongs to an account beside its name: waiting messages, unread counts, read marks, and blocked users.

Accounts are known by their ids, never by names, which others may take. Nothing here knows frames or sockets.
"""
