"""What is to be seen of an instrument, for page and terminal: put together from documents, readings and status."""
