"""Coming back: reconnect, fetch what was missed, and say nothing twice. The one core of the library and the program.

Knows no screen and no gevent, and asks nobody.
"""
