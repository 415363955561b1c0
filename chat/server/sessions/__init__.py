"""Serve one connection from accept to close: TLS, login, then a session or a transfer connection.

A session owns its state: no other part writes into it. Nothing here knows how a message is delivered to others.
"""
