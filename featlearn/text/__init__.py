"""Documents: topic models on term counts, and what turns text into counts and topics into tables."""
