"""Let users go from one server of a cluster to another, and send contents by way of any.

Knows sessions, and nothing of the log or its engine. No session knows this package.
"""
