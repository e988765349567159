"""Connections: machines to hub and proxy, machines to the internet, web servers in front.

listeners     opens the sockets on which machines reach hub and proxy
hub_listener  the one to the hub's API: what it admits, its own limits
limits        how large a request may be and how long it may take
accepting     what a server does when file descriptors run out
relay         bytes between two sockets (standard library only: a machine's shim runs it)
link_speed    how fast a link is, measured at its two ends (likewise)
uplink        a machine's network namespace and its way to the internet (likewise)
web_servers   configurations of web servers in front of a lab
"""
