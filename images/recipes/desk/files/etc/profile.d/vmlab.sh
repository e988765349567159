# The server's environment, after the system's own programs.
PATH="$PATH:/opt/vmlab/bin"
