"""The digits task in the app."""
