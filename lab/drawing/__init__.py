"""Figures as SVG, slices as pixels, and the frame that all pages share."""
