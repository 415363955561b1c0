"""Lead one connection through its life: accepted, logged in, talking or transferring, closed.

A session owns its state: no other part writes into it. It does not know how a message is delivered to others.
"""
