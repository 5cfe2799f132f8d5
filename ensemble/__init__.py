"""Case -> probabilities; the only place that knows torch and nnU-Net."""
