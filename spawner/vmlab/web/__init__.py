"""What browsers and machines ask the hub for: its API, the board, the pages.

api    `/hub/api/vmlab/...` and the pages' handlers
board  what facilitators see
pages  templates, scripts, styles
"""
