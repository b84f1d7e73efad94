"""Newton's method and dual descent for linear machines."""
