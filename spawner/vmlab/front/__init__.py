"""Where requests come in: the proxy, the machines' door, and what both let pass.

proxy.mjs      the lab's proxy: configurable-http-proxy, and what is done to every request
believed.mjs   what a request says about where it comes from, and what of that is believed
output.mjs     a process's output that nobody can blow up
"""
