"""What the host under this process has: facts, each found by looking or trying, none by guessing."""
