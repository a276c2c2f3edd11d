"""What is to be seen of an instrument: readings, documents and the daemon's status, put together for page and terminal."""
