"""gemd: a pre-forking server for the Gemini protocol."""

__version__ = "0.2.0"
