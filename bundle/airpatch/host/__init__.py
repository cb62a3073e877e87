"""What the host provides: facts, each established by inspection or a test, never by guessing."""
