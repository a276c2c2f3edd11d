"""The daemon over HTTP: a process of its own, which may die and come back without anything else taking notice."""
