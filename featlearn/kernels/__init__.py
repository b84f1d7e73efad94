"""Stateless numerics: no estimator is imported here, and each kernel is tested alone against a slow reference."""
