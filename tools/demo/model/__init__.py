"""Valley3 in PyTorch for training: the official tensor names, batched forwards, shared-prefix packing."""
