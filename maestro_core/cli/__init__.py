"""The headless commands. `main` dispatches; each command is imported only when it is asked for."""
