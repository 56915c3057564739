"""How the network that finds a brain is trained, and how a preparation is measured."""
