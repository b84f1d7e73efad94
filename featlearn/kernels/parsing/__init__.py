"""Charts of sentences: inside, outside, trees."""
