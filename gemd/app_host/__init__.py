"""A process of its own for one application: a fresh interpreter, which workers ask."""
