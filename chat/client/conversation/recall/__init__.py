"""Fetch earlier messages because the user asks for them: page by page, from a date on, or around one message.

Nothing here knows how anything is shown.
"""
