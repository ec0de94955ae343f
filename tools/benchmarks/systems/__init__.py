"""The parts of systems.py: what each source system is, and how one is run and looked at."""
