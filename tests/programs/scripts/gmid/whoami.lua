#!/usr/bin/env lua
-- gmid's variables: AUTH_TYPE is empty without a certificate, and REMOTE_USER the subject.
local function env(name)
  return os.getenv(name) or error(name .. " is not set")
end

if env("AUTH_TYPE") == "" then
  io.write("60 A certificate, please\r\n")
  os.exit(0)
end
assert(env("REQUEST_METHOD") == "GET")
local digest = env("TLS_CLIENT_HASH"):match("^SHA256:(%x+)$")
assert(digest and digest == digest:lower() and #digest == 64, "what hash is that?")
local name = env("REMOTE_USER"):match("/CN=([^/]+)")
io.write("20 text/gemini\r\n")
io.write(string.format("# You are %s\n=> %s/%s Your page\n", name, env("SCRIPT_NAME"), digest:sub(1, 8)))
