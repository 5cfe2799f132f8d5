"""Recipes: how the shipped weights were trained, one shell file an experiment."""
