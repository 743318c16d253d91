"""What the machine runs for us, timers and the consumer: by launchd or by a user's systemd."""
