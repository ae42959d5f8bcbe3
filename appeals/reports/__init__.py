"""What is computed from the records when somebody asks."""
