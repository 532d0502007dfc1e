"""Answers of other processes: FastCGI and SCGI applications, Gemini and HTTP servers."""
