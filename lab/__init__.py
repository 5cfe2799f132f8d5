"""What makes and judges the weights; never shipped in the image."""
