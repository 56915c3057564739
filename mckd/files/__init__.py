"""What outlives a process: checkpoints, and the folder of a training run."""
