PYTHON ?= python3
PORT ?= 1965
VENV := .venv
# Of setup.cfg: what `make test` and `make lint` install beside gemd.
EXTRAS ?= test,lint
BIN := $(VENV)/bin
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("gemd needs Python 3.11: PYTHON=...")'

# Where `make install` puts things; a packager's DESTDIR comes before each.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib/gemd
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
# systemd looks below /usr and /usr/local, whatever PREFIX is.
SYSTEMDDIR ?= $(if $(filter /usr,$(PREFIX)),/usr,/usr/local)/lib
UNITDIR ?= $(SYSTEMDDIR)/systemd/system
SYSUSERSDIR ?= $(SYSTEMDDIR)/sysusers.d
TMPFILESDIR ?= $(SYSTEMDDIR)/tmpfiles.d
BASHDIR ?= $(DATADIR)/bash-completion/completions
ZSHDIR ?= $(DATADIR)/zsh/site-functions
FISHDIR ?= $(DATADIR)/fish/vendor_completions.d
COMMANDS := gemd gemctl
MANUALS := $(notdir $(wildcard man/*.[1-9]))

override DESTDIR := $(filter-out /,$(abspath $(DESTDIR)))
override PREFIX := $(abspath $(PREFIX))
# A file of ours as it is installed, with its paths.
FILL = sed $(foreach name,SBINDIR LIBDIR DATADIR SYSCONFDIR,-e 's|@$(name)@|$($(name))|g')

# The oldest pyOpenSSL and cryptography that setup.cfg allows, an environment for them, and the tests of what they do.
OLDEST = $(shell sed -n 's/^ *\(pyOpenSSL\|cryptography\) >= \(.*\)/\1==\2/p' setup.cfg)
OLDEST_VENV := .venv-oldest
OLDEST_TESTS := tests/system tests/worker tests/startup tests/gemctl tests/responders/app tests/responders/test_access.py \
  tests/app/test_tls.py $(patsubst %,tests/serve/test_%.py,tls client_certificates hosts requests static reload upgrade \
  privileges command_line systemd)

.PHONY: help run test test-slow test-unit test-system test-oldest lint bench install install-program install-files \
  uninstall rollback wheelhouse dist deb clean
.DEFAULT_GOAL := help

help:  ## show what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A virtual environment with gemd from this folder in it, made anew when its requirements change.
$(VENV)/run: setup.cfg pyproject.toml
	$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/test: $(VENV)/run
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@

# What it makes, certificates above all, stays in .run/.
run: $(VENV)/run  ## serve the sample capsule on gemini://localhost:1965/ (PORT=... for another port)
	@STATE_DIRECTORY='$(CURDIR)/.run' XDG_DATA_HOME='$(CURDIR)/.run' exec $(BIN)/python -m gemd -c etc/capsule.conf --port $(PORT) $(if $(filter 0,$(shell id -u)),--user root)

# A daemon starts quicker from compiled modules, which some machines forbid to keep.
test test-slow test-unit test-system test-oldest: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/test  ## run the tests, all but the slow ones
	$(BIN)/python -X dev -W error::ResourceWarning -m pytest -m 'not slow' $(TESTS)

test-slow: $(VENV)/test  ## run the slow tests: long loads, and whole installations
	$(BIN)/python -X dev -W error::ResourceWarning -m pytest -m slow $(TESTS)

test-unit: $(VENV)/test  ## run the tests that start no daemon
	$(BIN)/python -X dev -W error::ResourceWarning -m pytest -m 'not slow' --ignore=tests/serve --ignore=tests/packaging \
	  --ignore=tests/programs --ignore=tests/scaling $(TESTS)

test-system: $(VENV)/test  ## test the service under a systemd in a container (slow; as root)
	GEMD_SYSTEM_TEST=1 $(BIN)/python -X dev -W error::ResourceWarning -m pytest $(or $(TESTS),tests/system_service)

test-oldest:  ## test TLS, certificates and start with the oldest libraries that setup.cfg allows for them
	$(MAKE) --no-print-directory $(OLDEST_VENV)/test VENV=$(OLDEST_VENV)
	$(OLDEST_VENV)/bin/pip install --quiet --disable-pip-version-check $(OLDEST)
	$(OLDEST_VENV)/bin/python -X dev -W error::ResourceWarning -m pytest -m 'not slow' $(or $(TESTS),$(OLDEST_TESTS))

lint: $(VENV)/test  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/run  ## measure gemd beside other servers
	$(BIN)/python bench/compare.py

install: install-program install-files  ## install as a system service (PREFIX, DESTDIR, SYSCONFDIR, UNITDIR)

# What the programs in packaging/ are told. Where WHEELHOUSE names a directory of wheels, pip takes all from there and asks
# nobody else: `make wheelhouse` fills it, where there is a network.
install-program rollback wheelhouse dist: export PYTHON := $(PYTHON)
install-program rollback wheelhouse dist: export WHEELHOUSE := $(WHEELHOUSE)
install-program rollback: export DESTDIR := $(DESTDIR)
install-program rollback: export LIBDIR := $(LIBDIR)
install-program: export SBINDIR := $(SBINDIR)
install-program: export COMMANDS := $(COMMANDS)

install-program:  ## install the two commands alone, which a PREFIX of one's own is enough for
	@$(NEW_ENOUGH)
	@packaging/install-program

rollback:  ## have the release that was installed before be the current one
	@packaging/rollback
	@$(if $(DESTDIR),:,echo 'A gemd that runs moves to it by:  $(SBINDIR)/gemctl upgrade')

wheelhouse:  ## fetch what an installation without a network needs, into WHEELHOUSE
	@$(NEW_ENOUGH)
	@packaging/wheelhouse

dist:  ## make the source archive and the wheel, in dist/
	@$(NEW_ENOUGH)
	@packaging/dist

deb:  ## make the package for Debian, in dist/ (on Debian 14 or later)
	@packaging/deb

# A file in SYSCONFDIR that differs from the one that was installed last, a copy of which is in DATADIR, was edited: it
# stays, and the new one goes beside it or, where every file of a directory is read, into DATADIR alone.
install-files:
	@set -eu; umask 022; \
	data='$(DESTDIR)$(DATADIR)/gemd'; etc='$(DESTDIR)$(SYSCONFDIR)'; \
	place() { mkdir -p "$${2%/*}"; $(FILL) "$$1" >"$$2.new~"; chmod 644 "$$2.new~"; mv -f "$$2.new~" "$$2"; }; \
	settle() { \
	  why='which was edited'; [ -e "$$3" ] || why='which was there before'; \
	  if [ ! -e "$$2" ]; then place "$$1" "$$2"; \
	  elif $(FILL) "$$1" | cmp -s - "$$2"; then rm -f "$$2.new"; \
	  elif cmp -s "$$3" "$$2"; then $(FILL) "$$1" >"$$2"; \
	  elif [ "$$4" ]; then place "$$1" "$$2.new"; echo "kept $$2, $$why; the new one is $$2.new"; \
	  else echo "kept $$2, $$why; the new one is $$3"; fi; \
	  place "$$1" "$$3"; \
	}; \
	settle etc/gemd.conf "$$etc/gemd.conf" "$$data/gemd.conf" beside; \
	settle etc/logrotate.d/gemd "$$etc/logrotate.d/gemd" "$$data/logrotate" ''; \
	place etc/welcome/index.gmi "$$data/welcome/index.gmi"; \
	for file in gemd-dashboard.json gemd-alerts.yml; do place etc/prometheus/$$file "$$data/prometheus/$$file"; done; \
	place etc/certbot-hook '$(DESTDIR)$(LIBDIR)/certbot-hook'; chmod 755 '$(DESTDIR)$(LIBDIR)/certbot-hook'; \
	for unit in gemd.service gemd.socket; do place systemd/$$unit '$(DESTDIR)$(UNITDIR)'/$$unit; done; \
	place systemd/gemd.sysusers '$(DESTDIR)$(SYSUSERSDIR)/gemd.conf'; \
	place systemd/gemd.tmpfiles '$(DESTDIR)$(TMPFILESDIR)/gemd.conf'; \
	for page in $(MANUALS); do place man/$$page '$(DESTDIR)$(MANDIR)'/man$${page##*.}/$$page; done; \
	for command in $(COMMANDS); do \
	  place etc/completion/$$command.bash '$(DESTDIR)$(BASHDIR)'/$$command; \
	  place etc/completion/$$command.zsh '$(DESTDIR)$(ZSHDIR)'/_$$command; \
	  place etc/completion/$$command.fish '$(DESTDIR)$(FISHDIR)'/$$command.fish; \
	done
	@$(if $(DESTDIR),:,printf '%s\n' \
	  'To make its user and directories:  systemd-sysusers gemd.conf && systemd-tmpfiles --create gemd.conf' \
	  'To start it, now and at boot:      systemctl enable --now gemd' \
	  'When an older one runs:            systemctl daemon-reload && $(SBINDIR)/gemctl upgrade')

# The units, and what is in SYSCONFDIR, belong to the PREFIX whose gemd they start; what of another one's is there stays.
uninstall:  ## remove what was installed in PREFIX; an edited configuration, certificates, logs and the capsule stay
	@set -eu; \
	data='$(DESTDIR)$(DATADIR)/gemd'; etc='$(DESTDIR)$(SYSCONFDIR)'; unit='$(DESTDIR)$(UNITDIR)/gemd.service'; \
	if [ ! -e '$(DESTDIR)$(LIBDIR)' ] && [ ! -e "$$data" ]; then \
	  echo 'there is no gemd in $(DESTDIR)$(PREFIX)'; exit 0; fi; \
	drop() { if cmp -s "$$1" "$$2"; then rm -f "$$2"; elif [ -e "$$2" ]; then echo "kept $$2, which was edited"; fi; }; \
	if [ -e "$$data" ] && { [ ! -e "$$unit" ] || grep -qF 'ExecStart=$(SBINDIR)/gemd ' "$$unit"; }; then \
	  drop "$$data/gemd.conf" "$$etc/gemd.conf"; rm -f "$$etc/gemd.conf.new"; \
	  drop "$$data/logrotate" "$$etc/logrotate.d/gemd"; \
	  rm -f "$$unit" '$(DESTDIR)$(UNITDIR)/gemd.socket'; \
	  rm -f '$(DESTDIR)$(SYSUSERSDIR)/gemd.conf' '$(DESTDIR)$(TMPFILESDIR)/gemd.conf'; \
	  for path in '$(SYSCONFDIR)/gemd' /var/lib/gemd /var/log/gemd /srv/gemini; do \
	    if [ -e '$(DESTDIR)'"$$path" ]; then echo 'kept $(DESTDIR)'"$$path"; fi; \
	  done; \
	  $(if $(DESTDIR),:,if id gemd >/dev/null 2>&1; then echo 'kept the user gemd: userdel gemd'; fi); \
	elif [ -e "$$data" ]; then echo "kept $$unit, which starts another gemd"; fi; \
	rm -rf "$$data" '$(DESTDIR)$(LIBDIR)'; \
	for page in $(MANUALS); do rm -f '$(DESTDIR)$(MANDIR)'/man$${page##*.}/$$page; done; \
	for command in $(COMMANDS); do \
	  rm -f '$(DESTDIR)$(SBINDIR)'/$$command '$(DESTDIR)$(BASHDIR)'/$$command; \
	  rm -f '$(DESTDIR)$(ZSHDIR)'/_$$command '$(DESTDIR)$(FISHDIR)'/$$command.fish; \
	done; \
	echo 'removed gemd from $(DESTDIR)$(PREFIX)'

clean:  ## remove everything that was made
	rm -rf .venv* .run .bench .system-test build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
