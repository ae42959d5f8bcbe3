"""What may happen to a case: steps, guards, effects, due dates."""
