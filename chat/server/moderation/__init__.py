"""Own kicks, bans and mutes: who may order them, what is in force, and what is kept on disk.

Nothing here knows sessions: members are known by the protocol of ``chat.server.directory.directory``.
"""
