"""What the terminal shows in the first tenth of a second, before the console is imported."""
