"""Send bytes to one user or to many, and keep what a user has not received yet.

Nothing here knows what the bytes mean.
"""
