"""`gemctl check`: a running server as a client sees it, and its capsule.

`command` is the way from the command line to an exit code, `subjects` says who is checked. `table` has every `probe` of
a server: those of `certificate_probes`, `tls_probes` (with `old_hello`), `request_probes`, `path_probes` and
`waiting_probes`, made in one `visit` after the other, and `alike_probes` for the other addresses. `crawl` goes through
the capsule by its `links`, and with `elsewhere` to others, as far as `robots` allow it; `pages` judges what comes, and
`chains` where redirects lead. What is found is a `finding`, and `summary` says it. `pace` keeps all of it slow, and
`meter` shows how far it is.
"""
