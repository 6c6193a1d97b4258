"""What is written down in the state folder."""
