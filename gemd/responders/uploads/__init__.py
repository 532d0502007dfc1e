"""Uploads by Titan: who may send what, and what becomes of it."""
