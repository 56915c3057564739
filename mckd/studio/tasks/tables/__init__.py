"""The tables task in the app: the Tables tab."""
