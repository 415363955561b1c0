"""Connections between the servers of a cluster: copies of the data, contents of attachments, the key.

The connections are in a process of their own (``links``). Knows files and addresses only: no session, no room, no
message.
"""
