"""Mathematics that only teaches: bounds, information, transport, pooling, estimates by sampling."""
