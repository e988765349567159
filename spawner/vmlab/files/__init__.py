"""The hub's side of an event's file server.

roster    who has which folder on it, and how much
"""
