"""The network of an event: a namespace that holds a bridge, kept by a process of its own.

networks  what the provider asks: networks made, machines plugged in, looked at, removed
port      where a machine's second card is plugged in
"""
