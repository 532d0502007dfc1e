"""What a script host does: a process that runs scripts as a user of their own."""
