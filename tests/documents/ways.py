"""How each command of the documents is run by test_commands.py, where that is not simply as root in the folder of the
source; and which are not run, and why.

Rule: a key is the command as the document has it. One that no document has any more fails the test.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """`before` are lines that root runs first, `within` those that the same shell does; `says` is in the output.
    One that `serves` goes on until a command that isn't `beside` it, and has begun when `serves` ends well."""

    user: str = "root"
    before: str = ""
    within: str = ""
    says: str = ""
    serves: str = ""
    beside: bool = False
    network: bool = False


SERVES = "timeout 10 openssl s_client -connect localhost:1965 </dev/null"
NO_SERVICE = "systemctl stop gemd 2>/dev/null || true"
NOBODY_KNOWN = "rm -f ~/.local/share/gemd/known_hosts"  # there are certificates of several stories
IN_A_VENV = "python3 -m venv ~/venv && . ~/venv/bin/activate"
# What README has as its example of an application.
HELLO = """mkdir -p ~/hello && cd ~/hello && cat >hello.py <<'END'
from gemd.app import Application, Response, Status

app = Application()


@app.route("/hello/(?P<name>[a-z]+)")
def hello(request, name):
    return Response(Status.SUCCESS, "text/gemini", f"# Hello {name}\\n")
END"""
# What a document takes for granted that does not begin with it.
SERVICE = """test -e /usr/local/sbin/gemd || make install
systemd-sysusers gemd.conf && systemd-tmpfiles --create gemd.conf
sed -i 's/^name = "localhost"/name = "example.org"/' /etc/gemd.conf
systemctl enable --now gemd"""
FRESH = """systemctl stop gemd 2>/dev/null || true
if id gemd >/dev/null 2>&1; then userdel gemd; fi
rm -rf /var/lib/gemd /var/log/gemd /run/gemd /srv/gemini"""
LOST = """systemd-sysusers gemd.conf && systemctl enable --now gemd
gemctl cert show >/tmp/known
systemctl stop gemd && rm -r /var/lib/gemd /etc/gemd.conf && install -d -o gemd -g gemd /var/lib/gemd"""
TWO_RELEASES = "echo '# newer' >>gemd/exit_codes.py && make install"
A_PAIR = """cd ~ && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \\
  -subj /CN=example.org -addext subjectAltName=DNS:example.org -keyout example.org.key -out example.org.crt"""
# A pair of another server, called NAME in FOLDER, for a host for which gemd has shown none yet.
FOREIGN = f"""{SERVICE}
systemctl stop gemd && rm -f /var/lib/gemd/example.org.*
mkdir -p FOLDER && cd FOLDER && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \\
  -subj /CN=example.org -addext subjectAltName=DNS:example.org -keyout NAME.key -out NAME.crt"""
OF_AGATE = f"""{FOREIGN.replace("FOLDER", "/srv/gemini/.certificates/example.org").replace("NAME", "made")}
openssl x509 -in made.crt -outform DER -out cert.der && openssl pkey -in made.key -outform DER -out key.der"""
OF_JETFORCE = FOREIGN.replace("FOLDER", "/tmp").replace("NAME", "example.org")
MOLLY_BROWN = """printf 'Hostname = "example.org"\\nDocBase = "/srv/gemini"\\n' >/etc/molly.conf"""
GMID = """cat >/etc/gmid.conf <<'END'
server "example.org" {
    cert "/etc/ssl/example.org.crt"
    key "/etc/ssl/example.org.key"
    root "/srv/gemini"
}
END"""
MY_CAPSULE = """mkdir -p ~/public_gemini && echo '# Mine' >~/public_gemini/index.gmi
sed -n '/^# ~.gemd.conf/,/^```/p' docs/INSTALL.md | sed '$d' >~/gemd.conf
trap '~/.local/sbin/gemctl -c ~/gemd.conf stop' EXIT"""
A_WIKI = """export EDITOR='sed -i s/old/new/'
install -d -o gemd -g gemd /srv/gemini/wiki && echo old >/srv/gemini/wiki/page.gmi
printf '[[host.location]]\\npath = "/wiki/"\\ntitan = { allow = "any" }\\n' >>/etc/gemd.conf
chown gemd /srv/gemini/wiki/page.gmi && grep -q example.org /etc/hosts || echo '127.0.0.1 example.org' >>/etc/hosts
gemctl -c /etc/gemd.conf reload"""

WAYS = {
    "make run": Way(user="reader", before=NO_SERVICE, serves=SERVES),
    "printf 'gemini://localhost/\\r\\n' | openssl s_client -quiet -connect localhost:1965 -servername localhost": Way(
        beside=True, says="20 text/gemini"
    ),
    "pip install .": Way(user="reader", within=IN_A_VENV),
    "gemctl fetch --connect localhost:1965 gemini://example.org/": Way(
        before=SERVICE, within=NOBODY_KNOWN, says="# It works"
    ),
    "gemd -c /etc/gemd.conf": Way(before=NO_SERVICE, serves=SERVES),
    "gemd --app hello:app --reload": Way(user="reader", before=NO_SERVICE, within=HELLO, serves=SERVES),
    "man -l man/gemd.8": Way(within="export MANPAGER=cat", says="GEMD(8)"),
    "make wheelhouse WHEELHOUSE=wheels": Way(network=True, says="wheels in wheels"),
    "make rollback": Way(before=TWO_RELEASES),
    "systemctl disable --now gemd gemd.socket": Way(before=SERVICE),
    "gemctl cert show": Way(
        before=SERVICE,
        within="if [ -e /tmp/known ]; then gemctl cert show | cmp - /tmp/known; fi",  # those of the backup
        says="example.org",
    ),
    "tar -C / -xzpf /root/gemd-keys.tar.gz": Way(before=LOST),
    "chown -R root:root /var/log/gemd": Way(within="trap 'chown -R gemd: /var/log/gemd' EXIT"),
    "useradd --system --home-dir /var/lib/gemd --shell /usr/sbin/nologin gemd": Way(before=FRESH),
    "make install-program PREFIX=$HOME/.local": Way(user="reader"),
    "~/.local/sbin/gemd -d -c ~/gemd.conf": Way(user="reader", before=NO_SERVICE, within=MY_CAPSULE),
    'gemd --dir /srv/gemini --hostname example.org --host "" --tls-certfile example.org.crt '
    "--tls-keyfile example.org.key": Way(user="reader", before=NO_SERVICE, within=A_PAIR, serves=SERVES),
    "gemd -t -c /etc/gemd.conf && gemctl upgrade": Way(before=SERVICE),
    "gemctl status --watch 5": Way(serves="true"),
    "cd /var/lib/prometheus/node-exporter": Way(before="mkdir -p /var/lib/prometheus/node-exporter"),
    "gemctl fetch --connect 192.0.2.7:1965 gemini://example.org/": Way(
        before=f"{SERVICE}\nip address add 192.0.2.7/32 dev lo", within=NOBODY_KNOWN, says="20 text/gemini"
    ),
    "gemctl edit --cert ada.crt --key ada.key gemini://example.org/wiki/page.gmi": Way(within=A_WIKI),
    'gemd --user gemd --dir /srv/gemini/example.org --hostname example.org --host ""': Way(
        before=f"{NO_SERVICE}; mkdir -p /srv/gemini/example.org", serves=SERVES
    ),
    "gemd -t -c /etc/gemd.conf && gemd -c /etc/gemd.conf": Way(before=NO_SERVICE, serves=SERVES),
    "gemd -d -c /etc/gemd.conf": Way(before=NO_SERVICE),
    "install -d -o gemd -g gemd /srv/capsule/notes": Way(before=SERVICE),
    "gemctl cert import agate": Way(before=OF_AGATE, says="example.org"),
    "gemctl cert import jetforce": Way(before=OF_JETFORCE, says="example.org"),
    "gemctl config import jetforce jetforce.service": Way(
        within="printf '[Service]\\nExecStart=jetforce --dir /srv/gemini --hostname example.org\\n' >jetforce.service",
        says='root = "/srv/gemini"',
    ),
    "gemctl config import gmid /etc/gmid.conf": Way(
        before=GMID,
        says='root = "/srv/gemini"',
    ),
    "gemctl config import molly-brown /etc/molly.conf > gemd.conf": Way(before=MOLLY_BROWN),
    "gemd --dir ~/capsule": Way(user="reader", before=NO_SERVICE, within="mkdir -p ~/capsule", serves=SERVES),
}

RUNS_THE_TESTS = "it is what runs this test"
DEBIANS = "it changes the machine, from Debian's archive"
AN_EDITOR = "it opens an editor"
A_SESSION = "it speaks to the systemd of somebody who is logged in"
A_NAME = "it is the name of a command, without its words"
NO_REGISTRY = "images come from a registry; tests/packaging/test_container.py has what is in the Containerfile run"
LOG_RECIPES = "tests/serve/test_log_recipes.py takes it from there and runs it"
SCALES = "tests/scaling/test_scaling.py takes it from there and types it, with a HAProxy that runs"
NOT_RUN = {
    "make test": RUNS_THE_TESTS,
    "make test-slow": RUNS_THE_TESTS,
    "make test-unit": RUNS_THE_TESTS,
    ".ci/run": RUNS_THE_TESTS,
    "make test-system": "it boots a systemd, for minutes",
    "make lint": "it is the first that is run of a change",
    "make bench": "it measures for minutes, beside other servers",
    "pip install gemd": "it is another project, of which the text warns",
    "pip install gemd-server": "it is what was published last, and not this source",
    "pip install --target": A_NAME,
    "apt install gcc python3-dev libffi-dev": DEBIANS,
    "apt install make python3-venv": DEBIANS,
    "apt install certbot": DEBIANS,
    "apt install build-essential": DEBIANS,
    "apt-get build-dep .": DEBIANS,
    "apt install ./dist/gemd_*_all.deb": DEBIANS,
    "make deb": "it needs Debian 14; tests/packaging/test_debian.py builds the package",
    "certbot certonly --standalone --reuse-key -d example.org --deploy-hook /usr/local/lib/gemd/certbot-hook": (
        "Let's Encrypt has to reach the machine; tests/packaging/test_install.py runs the hook"
    ),
    "gemctl init": "it asks at a terminal, where tests/serve/test_first_capsule.py answers",
    "gemctl cert": A_NAME,
    "gemctl cert renew": A_NAME,
    "gemctl cert import": A_NAME,
    "gemctl check example.org": "it is the one before, of one host, and waits as long",
    "systemctl stop agate": "it is another's service",
    "systemctl edit gemd": AN_EDITOR,
    "systemctl edit gemd.socket": AN_EDITOR,
    "systemctl edit fcgiwrap.socket": AN_EDITOR,
    "systemctl --user enable --now gemd": A_SESSION,
    "loginctl enable-linger": A_SESSION,
    "systemctl reload haproxy": "it is another's service",
    "podman build --format docker -t gemd .": NO_REGISTRY,
    "podman run -d --name gemd --read-only --tmpfs /run/gemd:mode=1777 --stop-timeout 35 -p 1965:1965 "
    "-v ./capsule:/srv/gemini:ro -v gemd-keys:/var/lib/gemd gemd --hostname example.org": NO_REGISTRY,
    "podman run": A_NAME,
    "podman logs": A_NAME,
    "podman exec gemd gemctl status": NO_REGISTRY,
    "podman kill -s HUP gemd": NO_REGISTRY,
    'jetforce --dir /srv/gemini --hostname example.org --host "" --tls-certfile example.org.crt '
    "--tls-keyfile example.org.key": "it is what the reader comes from",
    "fail2ban-regex /var/log/gemd/access.log /etc/fail2ban/filter.d/gemd.conf": LOG_RECIPES,
    "git pull": A_NAME,
    r"""sed -E -e '/" 0 [0-9]+/d' -e 's/ "-" "-"$//' -e 's/"" ([0-9]+)/"-" \1/' """
    r"""-e 's/" 51 ([0-9]+)/" 404 \1/' -e 's/" ([1-6][0-9]) ([0-9]+)/" \10 \2/' """
    r"""/var/log/gemd/access.log | goaccess - --no-global-config --no-strict-status --no-ip-validation """
    r"""--log-format='%h %^ %e [%d:%t %^] "%U" %s %b' --date-format=%d/%b/%Y --time-format=%T """
    r"""-o report.html""": LOG_RECIPES,
    'echo "set server capsule/node1 state drain" | socat stdio /run/haproxy/admin.sock': SCALES,
    'echo "set server forum/node1 state drain" | socat stdio /run/haproxy/admin.sock': SCALES,
}


def way_of(text: str) -> Way:
    """That of the table, or else the usual one: gemctl needs a gemd that serves, and all others nothing."""
    return WAYS.get(text) or Way(before=SERVICE if text.startswith("gemctl ") else "")
