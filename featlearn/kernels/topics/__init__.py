"""Counts of documents: fold-in, Gibbs sampling, windows."""
