#!/bin/sh
# As one for Gemini has it, which fcgiwrap passes on as it is.
printf '20 text/gemini\r\n# %s\n' "$PATH_INFO"
