"""The command `gemctl`: what an operator asks of a running gemd, of its certificates, and of what it serves.

`__main__` chooses the command, `options` has the command line. Status: `control_client` asks, `status` has the values,
`report`, `watch` and `metrics` show them, the last by `family` and `counted`. Certificates: `certificate`. A small
Gemini client: `fetch`, on `gemini_client` and `known_hosts`; `check` looks for faults as one. What goes wrong is a
`failure.Failure`; what strangers say passes `terminal`.
"""
