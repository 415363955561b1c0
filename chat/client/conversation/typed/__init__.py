"""Read what a user types behind a slash: the arguments of commands, and the commands of other programs.

Nothing here carries out a command, or knows how anything is shown.
"""
