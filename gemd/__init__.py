"""gemd: a pre-forking server for the Gemini protocol."""

__version__ = "0.1.0"
