"""What is asked of the machine: TLS, certificates, sockets, files, signals, logs. Decides nothing about answers."""
