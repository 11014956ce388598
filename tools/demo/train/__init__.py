"""Training stages, optimisers and checkpoints."""
