"""Who reaches whom: the machines' doors to hub and proxy, their way out, web servers in front.

doors        opens the machines' way to hub and proxy
door         the door to the hub's API: one identity, limits of its own
limits       how large a request may be and how long it may take
accepting    what a server does when file descriptors run out
relay        bytes between two sockets (standard library only: a machine's shim runs it)
uplink       a machine's network namespace and its way to the internet (likewise)
web_servers  configurations of web servers in front of a lab
"""
