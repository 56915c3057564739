"""How the tables task is trained."""
