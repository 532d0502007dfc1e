"""What is the answer? Each responder is a function of a request and its location. No sockets, no TLS."""
