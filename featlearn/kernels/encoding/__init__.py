"""Distances, codes and the statistics of dictionaries."""
