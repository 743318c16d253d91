"""The bus: where ticks wait, are claimed and die. `engine` says what any engine promises."""
