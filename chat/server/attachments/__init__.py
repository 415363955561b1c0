"""Store the contents of attachments, and the offers by which users fetch them.

Nothing here knows sessions or rooms.
"""
