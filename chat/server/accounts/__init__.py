"""Own registered names and their passwords.

Nothing here knows sessions: members are known by the protocol of ``chat.server.directory.directory``.
"""
