"""What browsers and machines ask the hub for: its API, the board, the pages."""
