"""What the paper states, and what runs say about it: claims, Tables 2 and 3, costs, texts."""
