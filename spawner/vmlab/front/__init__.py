"""Where requests come in: the proxy, the machines' door, and what both let pass.

proxy.mjs      the lab's proxy: configurable-http-proxy, and what is done to every request
believed.mjs   what a request says about where it comes from, and what of that is trusted
certificate.mjs  the hub's own TLS, and the redirect to it from plain HTTP
origins.mjs    the borders between hub and machines: requests.mjs, answers.mjs, cookies.mjs
output.mjs     the proxy's output, bounded
door.py        the machines' way to the hub: few calls, no trust
limits.py      size and time of every request
guesses.py     how often a password may be guessed
log_lines.py   the hub's log, bounded
log_file.py    the file that both logs end in
"""
