"""JupyterHub as a program and as an API: its process, its database, its proxy, its accounts.

process          the hub's process, as `vmlab up` starts and stops it
units            systemd units
lock             one hub per state folder
database         settings of JupyterHub's own database
accounts         makes that database agree with lab.toml
kept_state       what a spawner stored there about its machine
server_tokens    the tokens that JupyterHub makes for servers
tokens           how many tokens a user may have
server_versions  which version a machine's server says it has
access           where a hub is and what opens it: the command line's, and the hub's own
sessions         how VMLab speaks HTTP: deadlines, pauses, what a failure is
answers          what the hub answers when it does not do what was asked, as errors
client           the one client of the hub's API
course_calls     courses at a running hub: published, listed, withdrawn
hello            how `vmlab doctor` recognises its own hub from outside
proxy            the proxy's command line; its own program is in front/
certificates     what is wrong with a certificate
log_file         a log of bounded size
log_lines        long lines are cut, floods counted
descriptors      how many file descriptors hub and proxy need
loop_watch       how long the event loop was blocked
"""
