"""Own kicks, bans and mutes: the commands, the entries in force, and the entries on disk.

Nothing here knows sessions: members are known by the protocol of ``chat.server.directory.directory``.
"""
