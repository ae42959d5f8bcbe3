"""The lifecycle of a case: steps, guards, effects and due dates."""
