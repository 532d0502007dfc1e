"""What is said on the wire. Pure: no operating system, sockets, clocks or logs."""
