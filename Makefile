# SPDX-License-Identifier: AGPL-3.0-or-later
# Everything that people and CI run. `make help` lists it.
#
# Flavours: F=dev (default), clang, release, asan, tsan, cov, fuzz; each in out/<flavour>/.
.DEFAULT_GOAL := build
SHELL := /bin/bash
F ?= dev

# The ladder: a room may include the rooms listed for it, and base. ARCHITECTURE.md shows the same
# table; tools/ladder.py holds both and every #include to it.
ROOMS := base ev json db trust http profile core trade store api supervise agent master cli
NEEDS_base      :=
NEEDS_ev        := base
NEEDS_json      := base
NEEDS_db        := base
NEEDS_trust     := base
NEEDS_http      := base ev json
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
PKG_json    := jansson
PKG_db      := sqlite3 libpq
PKG_trust   := libsodium
PKG_http    := libmicrohttpd libcurl
LIBS_profile := -ljsonnet

CC_dev := gcc
CC_release := gcc
CC_cov := gcc
CC_tsan := gcc
CC_clang := clang
CC_asan := clang
CC_fuzz := clang
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
LDFLAGS := $(OPT_$(F)) -pthread

O := out/$(F)
lib = $(O)/lib$(1).a
pkgs = $(foreach r,$(1),$(PKG_$(r)))
room_libs = $(foreach r,$(1),$(LIBS_$(r))) $(if $(strip $(call pkgs,$(1))),$(shell pkg-config --libs $(call pkgs,$(1))))
# Archives of a room and all it needs, highest first, for the linker.
down = $(foreach r,$(call reverse,$(ROOMS)),$(if $(filter $(r),$(1) $(NEEDS_$(1))),$(r)))
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))

##@ Build
.PHONY: build
build: $(O)/hoc ## the program, out/<flavour>/hoc

define room_rules
SRC_$(1) := $$(wildcard src/$(1)/*.c)
OBJ_$(1) := $$(SRC_$(1):src/%.c=$(O)/obj/%.o)
$$(OBJ_$(1)): CPPFLAGS += $$(if $$(PKG_$(1)),$$(shell pkg-config --cflags $$(PKG_$(1)))) \
	$(if $(filter base,$(1)),-DHOC_ROOM_BASE)
$(O)/lib$(1).a: $$(OBJ_$(1))
	@rm -f $$@ && ar rcs $$@ $$(OBJ_$(1))
UNIT_SRC_$(1) := $$(wildcard tests/unit/$(1)/test_*.c)
UNIT_$(1) := $$(UNIT_SRC_$(1):tests/unit/$(1)/%.c=$(O)/unit/$(1)/%)
$$(UNIT_$(1)): $(O)/unit/$(1)/%: $(O)/obj/tests/unit/$(1)/%.o $$(foreach r,$$(call down,$(1)),$(O)/lib$$(r).a)
	@mkdir -p $$(@D) && $$(CC) $$(LDFLAGS) -o $$@ $$^ $$(call room_libs,$$(call down,$(1))) -lcmocka -lm
.PHONY: unit-$(1)
unit-$(1): $$(UNIT_$(1))
	@tools/run-units.sh $$(UNIT_$(1))
-include $$(OBJ_$(1):.o=.d)
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

$(O)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -include src/base/banned.h -c -o $@ $<
# Tests may use what the program may not (malloc of the test frame, system clocks).
$(O)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<
.SECONDARY:

$(O)/hoc: $(O)/obj/main.o $(foreach r,$(call reverse,$(ROOMS)),$(O)/lib$(r).a)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call room_libs,$(call reverse,$(ROOMS))) -lm
-include $(O)/obj/main.d
Q := $(if $(V),,@)

##@ Test
.PHONY: unit
unit: $(foreach r,$(ROOMS),$(UNIT_$(r))) ## unit tests of all rooms (unit-<room>: of one)
	@tools/run-units.sh $(foreach r,$(ROOMS),$(UNIT_$(r)))

##@ Clean
.PHONY: clean
clean: ## removes out/
	rm -rf out

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^##@/{print "\n" substr($$0,5)} /^[a-z-]+:.*## /{printf "  make %-14s %s\n",$$1,$$2}' Makefile
