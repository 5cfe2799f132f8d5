"""What a challenge dictates: labels and channels, files in and out, the platforms' folders."""
