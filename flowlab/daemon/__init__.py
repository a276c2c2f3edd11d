"""What keeps a run going: the processes, how they are started, watched and ended, and the safe state."""
