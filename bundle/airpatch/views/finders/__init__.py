"""Where packed streams may be: hints from known container formats. Nothing that they say is trusted."""
