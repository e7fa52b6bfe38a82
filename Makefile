# make            build everything             make run / stop    the whole stack on loopback
# make check      every test                   make check SAN=1   the same under ASan and UBSan
# make lint       static checks                make bench         measured figures
# make install    into DESTDIR and PREFIX      make help          all targets

VERSION  := $(shell cat VERSION)
MAKEFLAGS += -r
PREFIX   ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)

CC       ?= cc
OPT      ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wwrite-strings -Wswitch-enum \
            -Wnull-dereference -Wimplicit-fallthrough
ccopt     = $(shell $(CC) -Werror $(1) -xc -c /dev/null -o /dev/null 2>/dev/null && echo $(1))

ifdef SAN
BUILD    := build/san
OPT      := -O1 -g -fno-omit-frame-pointer
HARDEN   := -fsanitize=address,undefined -fno-sanitize-recover=all
LDHARDEN := $(HARDEN)
STATIC   :=
else
BUILD    := build/rel
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fPIE \
            $(call ccopt,-fcf-protection) $(call ccopt,-ftrivial-auto-var-init=zero) \
            -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
# The executor runs in images that hold none of our libraries.
STATIC   := -static-pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
ifdef WERROR
WARN     += -Werror
endif

PKGS     := libmariadb json-c libcurl libsystemd libcrypto expat
CPPFLAGS += -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -DPREFIX='"$(PREFIX)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' \
            $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
ALL_C    := -std=gnu17 $(OPT) $(WARN) $(HARDEN) -MMD -MP $(CFLAGS)
LIBS      = $(shell pkg-config --libs $(PKGS)) -linih -lpthread -lm

# One directory, one program; lib/ is the only code they share.
base_SRC     := $(wildcard lib/base/*.c)
sandbox_SRC  := $(wildcard lib/*.c lib/store/*.c lib/rt/*.c lib/s3/*.c lib/work/*.c)
fcgi_SRC     := $(wildcard fcgi/*.c)
ctl_SRC      := $(wildcard ctl/*.c)
executor_SRC := $(wildcard executor/*.c)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

all: $(BUILD)/sandbox-fcgi $(BUILD)/sandboxctl $(BUILD)/sandbox-executor

$(BUILD)/%.o: %.c $(BUILD)/paths
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_C) -c -o $@ $<

# PREFIX and SYSCONFDIR are in the programs: other ones build anew.
$(BUILD)/paths: always
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(SYSCONFDIR)' | cmp -s - $@ || echo '$(PREFIX) $(SYSCONFDIR)' >$@

# Texts that the programs carry inside: gen/NAME.c defines NAME_text, see lib/base/embed.h and tools/embed.
embed_seccomp_profile := deploy/seccomp.json
embed_openapi         := web/openapi.json
embed_runner_py       := executor/lang/runner.py
embed_runner_js       := executor/lang/runner.js
$(foreach m,$(wildcard sql/migrations/*.sql),\
	$(eval embed_migration_$(firstword $(subst _, ,$(basename $(notdir $(m))))) := $(m)))

gen = $(patsubst %,$(BUILD)/gen/%.o,$(1))
texts      := $(patsubst embed_%,%,$(filter embed_%,$(.VARIABLES)))
migrations := $(filter migration_%,$(texts))

.SECONDEXPANSION:
$(texts:%=$(BUILD)/gen/%.c): $(BUILD)/gen/%.c: $$(embed_$$*) tools/embed
	@mkdir -p $(@D)
	tools/embed $< $* >$@

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(CPPFLAGS) -I. $(ALL_C) -c -o $@ $<

$(BUILD)/libbase.a: $(call obj,$(base_SRC))
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libsandbox.a: $(call obj,$(sandbox_SRC)) $(call gen,seccomp_profile $(migrations))
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/sandbox-fcgi: $(call obj,$(fcgi_SRC)) $(call gen,openapi) $(BUILD)/libsandbox.a $(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -lfcgi $(LIBS)

$(BUILD)/sandboxctl: $(call obj,$(ctl_SRC)) $(BUILD)/libsandbox.a $(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(LIBS)

, := ,
executor_LIBS := -levent_extra -levent_core -ljson-c -lseccomp -lm

# libbase only: the linker keeps database and storage out of the container. libevent can look up names, which glibc warns of
# in static programs; nothing here asks it to.
$(BUILD)/sandbox-executor: $(call obj,$(executor_SRC)) $(call gen,runner_py runner_js) $(BUILD)/libbase.a
	$(CC) $(if $(STATIC),$(STATIC) -Wl$(,)--no-warnings,$(LDHARDEN)) $(LDFLAGS) -o $@ $^ $(executor_LIBS)

# ---- the whole stack on loopback: PORT=8000 RUNTIME=oci|docker SERVER=nginx|apache|caddy|cgi ----

STACK ?= var
export PORT RUNTIME SERVER AUTH

run:
	@tools/install-packages build run $(if $(filter docker,$(RUNTIME)),docker) \
		$(if $(filter-out nginx,$(SERVER)),check)
	@test -x $(BUILD)/sandbox-executor || echo "Building: the first time takes half a minute or more."
	@$(MAKE) --no-print-directory --quiet all
	@S3_STORE=bluestore BUILD=$(BUILD) tools/stack up $(STACK)
	@tools/example
	@echo "It listens on http://127.0.0.1:$(or $(PORT),8000) (make stop ends it)."

stop:
	@tools/stack down $(STACK)

# ---- tests ----

# A test that includes headers of a program is linked with that program's objects, all others with the libraries only.
units          := $(patsubst %.c,$(BUILD)/%,$(wildcard test/unit/*_test.c))
units_of        = $(patsubst %.c,$(BUILD)/%,$(shell grep -ls '"\.\./\.\./$(1)/' test/unit/*_test.c))
fcgi_units     := $(call units_of,fcgi)
executor_units := $(call units_of,executor)
lib_units      := $(filter-out $(fcgi_units) $(executor_units),$(units))

$(lib_units): %: %.o $(BUILD)/libsandbox.a $(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(fcgi_units): %: %.o $(filter-out %/main.o,$(call obj,$(fcgi_SRC))) $(call gen,openapi) \
		$(BUILD)/libsandbox.a $(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -lcmocka -lfcgi $(LIBS)

$(executor_units): %: %.o $(filter-out %/main.o,$(call obj,$(executor_SRC))) $(call gen,runner_py runner_js) \
		$(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ -lcmocka $(executor_LIBS)

# Drives the runtime backends; beside the executor, because the oci backend looks for it there.
$(BUILD)/rt-conform: $(call obj,test/rt/conform.c) $(BUILD)/libsandbox.a $(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(LIBS)

# Drives the client of the object store.
$(BUILD)/s3-conform: $(call obj,test/s3/conform.c) $(BUILD)/libsandbox.a $(BUILD)/libbase.a
	$(CC) $(LDHARDEN) $(LDFLAGS) -o $@ $^ $(LIBS)

units: $(units) $(BUILD)/rt-conform $(BUILD)/s3-conform

# BATS="test/bats/10-mounts.bats ..." runs only these; CI=true makes a skipped test a failed one.
check:
	@tools/install-packages build run check docker
	@$(MAKE) --no-print-directory --quiet all units
	@$(MAKE) --no-print-directory --quiet check-run

check-run:
	@tools/check $(BUILD) $(units)

# ---- static checks ----

all_c   = $(base_SRC) $(sandbox_SRC) $(fcgi_SRC) $(ctl_SRC) $(executor_SRC)
scripts = .ci/run $(shell grep -lE '^\#!.*/(ba)?sh' tools/* bench/* deploy/*/* 2>/dev/null)
bats    = $(wildcard test/stack/*.bash test/bats/*.bash test/bats/*.bats)

lint:
	@tools/install-packages build lint
	@$(MAKE) --no-print-directory lint-run

lint-run: lint-tree lint-scripts lint-man lint-cppcheck lint-tidy fmt-check

# Layers, SQL, descriptors, documents, units.
lint-tree:
	tools/check-includes
	tools/check-sql
	tools/check-fds
	tools/check-docs
	tools/check-units

lint-scripts:
	shellcheck -x -e SC1091 $(scripts)
	@# Variables go from a file of functions to the tests that load it, and from `run` to the test.
	shellcheck -S warning -e SC1090,SC2034,SC2154 $(bats)

lint-man:
	mandoc -Tlint -Wwarning man/*.[1-8]

lint-cppcheck:
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem "--suppress=*:/usr/include/*" --template=gcc -j2 -D__cppcheck__ $(CPPFLAGS) lib fcgi ctl executor

lint-tidy:
	@printf '%s\n' $(all_c) | xargs -P2 -n4 sh -c 'clang-tidy --quiet "$$@" -- $(subst ','\'',$(CPPFLAGS)) -std=gnu17 2>/dev/null' tidy

fmt:
	clang-format -i $(shell git ls-files '*.c' '*.h')

fmt-check:
	@clang-format --dry-run -Werror $(shell git ls-files '*.c' '*.h')

# ---- measured figures ----

bench:
	@tools/install-packages build run bench
	@$(MAKE) --no-print-directory --quiet all
	@BUILD=$(BUILD) bench/run

# ---- installation ----

sbindir    := $(PREFIX)/sbin
libexecdir := $(PREFIX)/libexec/sandbox
docdir     := $(PREFIX)/share/doc/sandbox
mandir     := $(PREFIX)/share/man
libdir     := $(PREFIX)/lib
confdir    := $(SYSCONFDIR)/sandbox
apparmordir ?= /etc/apparmor.d
apparmor   := $(wildcard deploy/apparmor/*)
man_pages  := $(wildcard man/*.[1-8])
units_in   := $(wildcard systemd/*.service systemd/*.socket)
samples    := etc/nginx.conf etc/apache.conf etc/apache-cgi.conf etc/Caddyfile etc/sandbox.ini etc/sandbox-minimal.ini
rehome      = sed -e 's|@sbindir@|$(sbindir)|g; s|@docdir@|$(docdir)|g; s|@confdir@|$(confdir)|g' \
              -e 's|/usr/local/sbin|$(sbindir)|g; s|/etc/sandbox/|$(confdir)/|g'

install: all
	install -d $(addprefix $(DESTDIR),$(sbindir) $(libexecdir) $(docdir)/examples $(docdir)/systemd $(confdir) \
		$(libdir)/systemd/system $(libdir)/sysusers.d $(libdir)/tmpfiles.d $(PREFIX)/share/sandbox)
	install -m 755 $(BUILD)/sandbox-fcgi $(BUILD)/sandboxctl $(DESTDIR)$(sbindir)
	install -m 755 $(BUILD)/sandbox-executor $(DESTDIR)$(libexecdir)
	for f in $(samples); do $(rehome) "$$f" >$(DESTDIR)$(docdir)/examples/$${f##*/}; done
	for f in $(units_in); do $(rehome) "$$f" >$(DESTDIR)$(libdir)/systemd/system/$${f##*/}; done
	install -m 644 systemd/drop-in/*.conf $(DESTDIR)$(docdir)/systemd
	install -m 644 systemd/sandbox.sysusers $(DESTDIR)$(libdir)/sysusers.d/sandbox.conf
	install -m 644 systemd/sandbox.tmpfiles $(DESTDIR)$(libdir)/tmpfiles.d/sandbox.conf
	install -m 644 deploy/seccomp.json $(DESTDIR)$(PREFIX)/share/sandbox
	$(if $(apparmor),install -D -m 644 -t $(DESTDIR)$(apparmordir) $(apparmor))
	install -m 644 README.md NEWS.md SECURITY.md LICENSE web/openapi.json $(DESTDIR)$(docdir)
	for f in $(man_pages); do install -D -m 644 "$$f" $(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/}; done
	[ -e $(DESTDIR)$(confdir)/sandbox.ini ] || { $(rehome) etc/sandbox-minimal.ini >$(DESTDIR)$(confdir)/sandbox.ini && \
		chmod 644 $(DESTDIR)$(confdir)/sandbox.ini; }
ifeq ($(DESTDIR),)
	@tools/after-install $(PREFIX) $(confdir) $(addprefix $(apparmordir)/,$(notdir $(apparmor)))
endif

# The configuration and the data stay.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(sbindir)/,sandbox-fcgi sandboxctl) $(DESTDIR)$(libdir)/sysusers.d/sandbox.conf \
		$(DESTDIR)$(libdir)/tmpfiles.d/sandbox.conf \
		$(addprefix $(DESTDIR)$(apparmordir)/,$(notdir $(apparmor))) \
		$(addprefix $(DESTDIR)$(libdir)/systemd/system/,$(notdir $(units_in))) \
		$(foreach m,$(man_pages),$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))
	rm -rf $(DESTDIR)$(libexecdir) $(DESTDIR)$(docdir) $(DESTDIR)$(PREFIX)/share/sandbox

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
.PHONY: always all run stop units check check-run lint lint-run lint-tree lint-scripts lint-man lint-cppcheck lint-tidy fmt fmt-check bench install uninstall help clean
.DELETE_ON_ERROR:
.SECONDARY:
