"""A storm of wire faults over runs on the whole simulated lab, and what came of it."""
