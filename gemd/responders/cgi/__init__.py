"""CGI scripts (RFC 3875): found, run with a built environment, and held to what an answer is."""
