"""Those who play otherwise: production code with one policy replaced, and nodes that answer what is not true."""
