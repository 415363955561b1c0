"""Keep the contents of attachments as files beside the history, each once, by its SHA-256.

Knows attachments with their numbers: no session, no member, no frame.
"""
