"""JupyterHub as a program and as an API: its process, its database, its proxy, its accounts."""
