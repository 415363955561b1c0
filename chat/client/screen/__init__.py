"""The client on a whole terminal. Only its ``terminal`` knows curses; the rest is plain objects."""
