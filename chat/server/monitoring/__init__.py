"""Show the operator the state of the server over HTTP: /metrics and /healthz.

Nothing here changes any state.
"""
