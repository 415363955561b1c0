"""Find messages by their words: an index of the history in a file of its own, and the search in both.

The index is disposable: it is made behind the history file, and made anew if it is missing, damaged or of another
history. Knows runs, rows and the history file: no session, no frame, and not how a user asks.
"""
