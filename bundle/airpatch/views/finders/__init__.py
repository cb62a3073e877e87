"""Where packed streams may lie: hints out of the containers that are known. Nothing that they say is trusted."""
