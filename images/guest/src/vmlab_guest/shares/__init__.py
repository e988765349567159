"""The event's file server as a trainee's machine has it: mounted, and away without harm."""
