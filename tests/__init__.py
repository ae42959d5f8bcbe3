"""Tests: every rule has one that tries to break it, on both databases."""
