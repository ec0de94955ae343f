"""What is looked at before a run's first step: whether its parts fit each other."""
