# SPDX-License-Identifier: AGPL-3.0-or-later
# Everything that people and CI run. `make help` lists it.
#
# Flavours: F=dev (default), clang, release, asan, tsan, cov, fuzz; each in out/<flavour>/.
# Reading this file runs no tool that a bare machine lacks: `make deps` works there.
.DEFAULT_GOAL := build
SHELL := /bin/bash
F ?= dev

# The ladder: a room may include the rooms listed for it, and base. ARCHITECTURE.md shows the same
# table; tools/check-ladder holds both and every #include to it. Needs stand before their users.
ROOMS := base ev json db trust http profile core trade store api supervise agent master cli
NEEDS_base      :=
NEEDS_ev        := base
NEEDS_json      := base
NEEDS_db        := base
NEEDS_trust     := base
NEEDS_http      := base ev json trust
NEEDS_profile   := base ev json trust http
NEEDS_core      := base
NEEDS_trade     := base
NEEDS_store     := base db trust core trade
NEEDS_api       := base json db trust http profile core trade store
NEEDS_supervise := base ev json
NEEDS_agent     := base ev json db trust http profile core supervise
NEEDS_master    := base ev json db trust http profile core trade store api
NEEDS_cli       := base ev json trust http profile core trade supervise

# The foreign library of each room (pkg-config names).
PKG_ev      := libuv
PKG_json    := jansson libpcre2-8
PKG_db      := sqlite3 libpq
PKG_trust   := libsodium gnutls libcbor
PKG_http    := libmicrohttpd libcurl
LIBS_profile := -ljsonnet
LIBS_master := -lresolv

CC_dev := gcc
CC_release := gcc
CC_cov := gcc
CC_tsan := gcc
CC_clang := clang
CC_asan := clang
CC_fuzz := clang
$(if $(CC_$(F)),,$(error no flavour "$(F)": dev clang release asan tsan cov fuzz))
CC := $(CC_$(F))
OPT_dev := -O1 -g
OPT_clang := -O1 -g
OPT_release := -O2 -g
OPT_cov := -O0 -g --coverage
OPT_tsan := -O1 -g -fsanitize=thread
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined

# format-truncation: error texts are cut on purpose where they do not fit.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wcast-qual \
	-Wformat=2 -Wswitch-enum -Werror
WARN_gcc := -Wno-format-truncation
CFLAGS := -std=gnu17 -D_GNU_SOURCE -Isrc $(WARN) $(WARN_$(CC)) $(OPT_$(F)) -MMD -MP \
	-fstack-protector-strong -pthread
LDFLAGS := $(OPT_$(F)) -pthread -Wl,--as-needed

O := out/$(F)
Q := $(if $(V),,@)
# A recursive make, on all processors unless somebody said otherwise.
MAKE_ALL = +$(Q)$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
HIGHEST_FIRST := $(call reverse,$(ROOMS))
# ALL_<room>: the room and everything below it, however far down.
$(foreach r,$(ROOMS),$(eval ALL_$(r) := $(sort $(r) $(foreach n,$(NEEDS_$(r)),$(ALL_$(n))))))
# Of some rooms: all rooms to link, their archives, their foreign libraries; in the linker's order.
down = $(foreach r,$(HIGHEST_FIRST),$(if $(filter $(r),$(foreach x,$(1),$(ALL_$(x)))),$(r)))
archives = $(foreach r,$(call down,$(1)),$(O)/lib$(r).a)
pkgs = $(foreach r,$(1),$(PKG_$(r)))
room_libs = $(foreach r,$(1),$(LIBS_$(r))) $(if $(strip $(call pkgs,$(1))),$(shell pkg-config --libs $(call pkgs,$(1))))
link = $(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(2) -o $@ $(filter %.o %.a,$^) $(call room_libs,$(call down,$(1))) $(3) -lm

##@ Build
.PHONY: build
build: $(O)/hoc ## the program, out/<flavour>/hoc

# An archive depends on its folder too: a file that was deleted leaves it.
define room_rules
OBJ_$(1) := $$(patsubst src/%.c,$(O)/obj/%.o,$$(wildcard src/$(1)/*.c))
$$(OBJ_$(1)): CPPFLAGS += $$(if $$(PKG_$(1)),$$(shell pkg-config --cflags $$(PKG_$(1)))) \
	$(if $(filter base,$(1)),-DHOC_ROOM_BASE)
$(O)/lib$(1).a: $$(OBJ_$(1)) $$(wildcard src/$(1))
	$$(Q)mkdir -p $$(@D) && new=$$@.$$$$$$$$ && ar rcs $$$$new $$(OBJ_$(1)) && mv $$$$new $$@
UNIT_$(1) := $$(patsubst tests/unit/$(1)/%.c,$(O)/unit/$(1)/%,$$(wildcard tests/unit/$(1)/test_*.c))
AIDS_$(1) := $$(filter-out test_%,$$(notdir $$(wildcard tests/unit/$(1)/*.c)))
$$(UNIT_$(1)): $(O)/unit/$(1)/%: $(O)/obj/tests/unit/$(1)/%.o \
		$$(AIDS_$(1):%.c=$(O)/obj/tests/unit/$(1)/%.o) $$(call archives,$(1))
	$$(call link,$(1),,-lcmocka)
.PHONY: unit-$(1)
unit-$(1): $$(UNIT_$(1))
	@tools/run-units.sh $$(UNIT_$(1))
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))
# Headers that have a banned function in a macro of their own come before the ban.
$(O)/obj/db/postgresql.o: CPPFLAGS += -include libpq-fe.h
$(O)/obj/trust/cbor.o: CPPFLAGS += -include cbor.h
# Pages that are part of the program as they are.
$(O)/obj/api/passkey_page.o: src/api/passkey.html src/api/passkey.css src/api/passkey.js

$(O)/obj/%.o: src/%.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -include src/base/banned.h -c -o $@ $<
# Tests may use what the program may not (malloc of the test frame, system clocks).
$(O)/obj/tests/%.o: tests/%.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<
$(O)/obj/bench/%.o: bench/%.c $(O)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<
# What the compiler was told; it changes only when that changes, and then everything is made anew.
$(O)/flags: FORCE
	@mkdir -p $(@D) && echo '$(CC) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS)' >$@
.PHONY: FORCE
.SECONDARY:

$(O)/hoc: $(O)/obj/main.o $(call archives,$(ROOMS))
	$(call link,$(ROOMS))

.PHONY: release deps test-deps install docs
release: ## the program as people run it, out/release/hoc
	$(MAKE_ALL) F=release build

deps: ## Debian packages that building and running need
	@tools/deps
test-deps: ## and those that the tests need
	@tools/deps test

# Pages that the program prints from its own tables: routes, settings, events, verbs, man pages.
docs: build ## generated pages, docs/generated/
	$(Q)tools/generate-docs $(O)/hoc docs/generated

PREFIX ?= /usr/local
install: ## program, man pages, completion, profiles, pages (PREFIX, DESTDIR)
	$(MAKE_ALL) F=release docs
	$(Q)PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) tools/install out/release/hoc docs/generated

##@ Use
AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo )
.PHONY: demo demo-clean
demo: ## a cloud on this machine, from order to invoice (REPORT=FILE: also as JSON)
	@tools/deps
	$(MAKE_ALL) F=release build
	@$(AS_ROOT)out/release/hoc demo --dir .demo $(if $(REPORT),--report $(REPORT)) $(DEMO_ARGS)
demo-clean: ## removes every trace of the demo: files, network, users
	@tools/deps
	$(MAKE_ALL) F=release build
	@$(AS_ROOT)out/release/hoc demo --dir .demo --clean

##@ Test
.PHONY: test ci lint unit scene crash fault sim fuzz-corpus fuzz bench cov format analyse
test: ## everything that CI runs, cheap things first
	@tools/deps test
	@tests/run
ci: ## the same in a fresh clone's manner (.ci/run)
	@.ci/run

lint: ## layout, ladder of rooms, headers, sizes, links… (tools/check-*)
	@tools/lint
UNITS ?= $(ROOMS)
unit: $(foreach r,$(UNITS),$(UNIT_$(r))) ## unit tests of all rooms (unit-<room>: of one; UNITS="db http")
	@tools/run-units.sh $(foreach r,$(UNITS),$(UNIT_$(r)))

# Black-box tests get the program by HOC. T picks tests: make scene T=-k\ postgres
SCENE_DB ?= sqlite
pytest = HOC=$(abspath $(O)/hoc) SCENE_DB=$(SCENE_DB) tools/run-pytest $(1) $(T)
scene: build ## the program from outside (SCENE_DB=sqlite|postgresql, T=pytest arguments)
	@$(call pytest,tests/scene)
crash: build ## killed at every failpoint, started again
	@$(call pytest,tests/crash)

# tests/fault, tests/fuzz, bench: one program a file; its "rooms:" comment says what it is linked
# with. tests/sim is one program.
programs = $(patsubst $(1)/%.c,$(O)/$(notdir $(1))/%,$(wildcard $(1)/*.c))
fault: $(call programs,tests/fault) ## every allocation fails once
	@tools/run-programs $(call programs,tests/fault)
sim: $(O)/sim ## many nodes under a virtual clock (out/dev/sim --seed N)
	@tools/run-programs $(O)/sim

FUZZ := $(patsubst tests/fuzz/%.c,out/fuzz/%,$(wildcard tests/fuzz/*.c))
SECONDS ?= 60
.PHONY: fuzz-programs
fuzz-programs: $(FUZZ)
fuzz-corpus: ## replays what fuzzing found so far
	$(MAKE_ALL) F=fuzz fuzz-programs
	@tests/fuzz/run replay $(FUZZ)
fuzz: ## looks for more, SECONDS each target
	$(MAKE_ALL) F=fuzz fuzz-programs
	@tests/fuzz/run search $(SECONDS) $(FUZZ)

bench: build $(call programs,bench) ## figures, printed and never asserted (use F=release)
	@HOC=$(abspath $(O)/hoc) bench/run $(call programs,bench)
cov: ## lines that the unit tests reach, per room
	$(MAKE_ALL) F=cov unit
	@tools/coverage out/cov
analyse: ## clang-tidy against tools/analysis-baseline.txt
	@tools/analyse
format: ## lays the sources out
	@tools/check-format --fix

##@ Clean
.PHONY: clean help
clean: ## removes out/ and generated pages
	rm -rf out docs/generated

help: ## this list
	@awk -F':.*## ' '/^##@/{print "\n" substr($$0,5)} /^[a-z-]+:.*## /{printf "  make %-14s %s\n",$$1,$$2}' Makefile
	@printf '\nF=dev|clang|release|asan|tsan|cov|fuzz chooses the flavour, V=1 shows commands.\n'

-include $(wildcard $(O)/obj/*.d $(O)/obj/*/*.d $(O)/obj/tests/*/*.d $(O)/obj/tests/*/*/*.d)

.SECONDEXPANSION:
rooms_of = $(shell sed -n 's,^/\* rooms: \(.*\) \*/.*,\1,p' $(1))
$(O)/fault/%: $(O)/obj/tests/fault/%.o $$(call archives,$$(call rooms_of,tests/fault/$$*.c))
	$(call link,$(call rooms_of,tests/fault/$*.c))
$(O)/sim: $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/sim/*.c)) $(call archives,master agent)
	$(call link,master agent)
$(O)/bench/%: $(O)/obj/bench/%.o $$(call archives,$$(call rooms_of,bench/$$*.c))
	$(call link,$(call rooms_of,bench/$*.c))
$(filter $(O)/%,$(FUZZ)): $(O)/%: $(O)/obj/tests/fuzz/%.o $$(call archives,$$(call rooms_of,tests/fuzz/$$*.c))
	$(call link,$(call rooms_of,tests/fuzz/$*.c),-fsanitize=fuzzer)
