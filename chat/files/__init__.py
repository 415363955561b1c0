"""Open and create files safely, and find the directories for a user's files.

Nothing here knows what a file contains.
"""
