"""The tabs: `build(services)` lays one out inside the page and wires it to its service."""
