# make prints this help; every target works from a fresh clone
#
#   make doctor      does the course work here? chapter by chapter, with what to do     [FORMAT=json]
#   make deps        install the programs that the course uses and this machine lacks   [YES=1]
#
#   make step-NN     build and run step NN: 01 to 09       [CMD="ps ax"] [ARGS="--hostname web"] [ROOTFS=DIR]
#   make diff-NN     what chapter NN adds to the one before; of 09 also one room        [ROOM=confine]
#   make trace-NN    run step NN and show the system calls that the course is about     [CMD=…] [ARGS=…] [ROOTFS=DIR]
#   make check-NN    what chapter NN claims, claim by claim     [VERBOSE=1] [FORMAT=json|tap] [SUDO=sudo]
#   make check       all chapters, with a table at the end
#   make practice-NN   build the chapter's mechanism yourself: the next exercise [EX=name, EX=all: the library, EX=main]
#   make bug-NN      something is broken in step NN: find it                            [N=2]
#   make watch-NN    judge what you write at each save; check-NN: once
#   make hint-NN     one hint more each time; solution-NN: how the course does it; reset-NN: back [ALL=1]
#   make progress    which exercises are done; hand-in: your steps in an archive    [TO=me.tar]
#   make grade       students' trees, judged in containers                          TREE='hand-ins/*'
#   make escape-NN   what an attacker can do inside step NN, and which chapter stops it     [VERBOSE=1]
#   make escape      all attacks on all steps, and on the other runtimes that are installed     [SUDO=sudo]
#   make demo        the whole assignment in one go: name, processes, address, client and server, CPU held at 0.8
#   make ssh         log in to a container with ssh, run ps, pstree, top and ls there   [CMD=…]
#   make rootfs      the root filesystem that the steps use                             [ADD="PROGRAM …"]
#   make image       unpack an image, as from docker save, for step 09           FILE=IMAGE.tar [FLAT=1]
#   make book        the book, in docs/book (builds mdBook first: a minute)   [OPEN=1]
#   make test        check every claim of every chapter on this machine
#   make vm          the whole course in a machine that is thrown away                  [CMD=…] [KERNEL=6.12]
#   make test-vm     the claims on other kernels, and on other layouts of cgroups       [KERNELS="6.1 6.12 5.10"]
#   make bench       how long a start takes, beside other programs that start containers
#   make stress      a thousand starts, a hundred at once, two hundred killed: is the host as before?
#   make real        real software in step 09: postgres, redis, nginx, sshd, a JVM, apt; needs root and debootstrap   [SUDO=sudo]
#   make mutants     break the steps in a hundred ways and see every one noticed (half an hour)
#   make sweep       remove what an interrupted experiment left on the machine           [DRY=1] [SUDO=sudo] [ROOTFS=DIR]
#   make test-practice  every exercise takes out what it says, and its claims notice  [QUICK=1]
#   make clean       sweep, then remove what was built

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
BIN       := target/debug
ROOTFS    ?= target/rootfs/host
ARGS      ?=
CMD       ?=

# 01 to 04 need root, as their chapters explain. Everything is built as you; sudo runs only the step itself.
ROOT_STEPS := 01 02 03 04
sudo = $(if $(filter 0,$(shell id -u)),,$(if $(filter $*,$(ROOT_STEPS)),sudo))
STEPS := $(shell sed -n 's/^\([0-9][^ ]*\) .*/\1/p' steps/chapters)
name = $(filter $*-%,$(STEPS))
later = $(shell sed -n '/^$(name) /,$$ s/^\([0-9][^ ]*\) .*/\1/p' steps/chapters)
prev = $(lastword $(filter-out $(later),$(STEPS)))
known = $(if $(name),,echo "There is no step $*. The steps are: $(STEPS)" >&2; exit 2)

# A chapter may be typed as 6, too.
$(foreach verb,step diff trace check escape practice bug watch hint solution reset, \
    $(foreach n,1 2 3 4 5 6 7 8 9,$(eval $(verb)-$(n): $(verb)-0$(n) ; @:)))

include tools/practice/practice.mk

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

# Names the programs that this machine lacks, and stops only where nothing can be built.
ready:
	@tools/install-tools
	@tools/toolchain.sh

build: ready
	@$(say_open)
	@[ -e $(BIN)/check ] || echo "Building; the first time takes a minute or two." >&2
	@cargo build --quiet --workspace

# Another ROOTFS is taken as it is.
tree = $(if $(filter target/rootfs/host,$(ROOTFS)),$(BIN)/rootfs $(ADD:%=--add %) $(if $(filter rootfs,$(MAKECMDGOALS)),,>/dev/null))

rootfs: build
	@$(tree)

image: ready
	@cargo build --quiet --package rootfs --package rootfs-image --bins
	@$(BIN)/rootfs image $(if $(FLAT),--flatten) "$$FILE"   # flat: one tree, for every step

# A step is built with what it needs: the tool that makes root filesystems, and the programs that run inside so far. The
# packages are all selected, so that every target builds the libraries with the same features, and once.
build-bins = cargo build --quiet --workspace $(1:%=--bin %)
so_far = $(filter-out $(filter-out $(name),$(later)),$(STEPS))
programs = $(basename $(notdir $(wildcard $(so_far:%=steps/%/src/bin/*.rs))))
build-step = [ -e $(BIN)/$(name) ] || echo "Building; the first time takes half a minute." >&2; \
    $(call build-bins,rootfs $(name) $(programs))

# With a command, its exit code counts. A shell's is that of whatever was typed last, and no failure of the course.
step-%: ready
	@$(known)
	@$(build-step)
	@$(tree)
	@$(if $(sudo),tools/need-sudo $(name))
	@$(if $(value CMD),$(sudo),tools/shell $(sudo)) $(BIN)/$(name) $(layer) $(value ARGS) $(ROOTFS) $(value CMD)

diff-%:
	@$(known)
	@$(say_open); $(go_to_course); $(CURDIR)/tools/diff $(name) '$(prev)' $(ROOM)

trace-%: ready
	@$(known)
	@$(build-step)
	@$(tree)
	@$(if $(sudo),tools/need-sudo $(name))
	@tools/trace '$(sudo)' $* $(BIN)/$(name) $(value ARGS) $(ROOTFS) $(or $(value CMD),true)

# The built claims of these packages, in the order of the chapters: only cargo knows their names.
claims = cargo test --quiet --no-run $(1) --test claims && \
    $(SUDO) $(BIN)/check $(if $(FORMAT),--format $(FORMAT)) $(if $(VERBOSE),--verbose) \
    $$(cargo test --quiet --no-run $(1) --test claims --message-format=json | sort | sed -n 's|.*"executable":"\([^"]*/deps/claims-[^"]*\)".*|\1|p')

# In the middle of an exercise only this step is built, and practice shows what comes first.
check-%:
	@$(known)
	@if $(practising); then $(MAKE) tried && $(PRACTICE) check '$*' $(call option,$(SUDO),--sudo); else $(MAKE) claims-$*; fi

# What the claims need, and no later step: one that does not compile breaks no other's check.
claims-%: ready
	@$(known)
	@[ -e $(BIN)/check ] || echo "Building; the first time takes a minute or two." >&2
	@cargo build --quiet --package harness --package rootfs $(inside) $(patsubst %,--package step-%,$(prev) $(name))
	@$(call claims,-p step-$(name))

check: rootfs
	@$(call claims,--workspace)

escape-%: rootfs
	@$(known)
	@$(sudo) $(BIN)/attack $* $(if $(VERBOSE),--verbose)

# The page of the book has what root sees as well.
escape: rootfs
	@$(SUDO) $(BIN)/attack $(if $(filter 0,$(shell $(SUDO) id -u)),--page docs/src/escape.md)

demo: rootfs
	@steps/09-full/demo.sh $(BIN) $(ROOTFS)

ssh: build
	@steps/09-full/ssh.sh $(BIN) '$(value CMD)'

# What starts fast is linked statically and to a fixed place in memory, where the C library allows it (Debian: libc6-dev,
# Fedora: glibc-static). That asks for a named target: procedural macros are libraries of the compiler.
STATIC = $(shell echo 'int main() {}' | cc -static -x c -o /dev/null - 2>/dev/null && \
    echo -C target-feature=+crt-static -C relocation-model=static)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# Others are compared as they are installed here: unshare, bwrap, runc, crun, podman.
bench stress: rootfs
	@RUSTFLAGS="$(STATIC)" cargo build --quiet --release --workspace --bins --target $(HOST)
	@steps/09-full/bench/$@.sh target/$(HOST)/release $(ROOTFS)

real: build
	@$(SUDO) steps/09-full/real/real.sh $(BIN)

test: rootfs
	@cargo test --quiet --workspace --no-fail-fast

mutants: ready
	@tests/mutants.sh

vm: build
	@KERNEL=$(KERNEL) tests/vm/shell.sh '$(value CMD)'

test-vm: build
	@KERNELS="$(KERNELS)" QUICK=$(QUICK) tests/vm/test.sh

book: ready
	@cargo build --quiet --package book --package practice
	@tools/mdbook build $(if $(OPEN),--open) docs

# The doctor starts the steps, but a step that does not build must not keep it from its work.
doctor: ready
	@[ -e $(BIN)/doctor ] || echo "Building; the first time takes a minute." >&2
	@$(call build-bins,doctor)
	@$(call build-bins,$(STEPS)) --keep-going || true
	@$(BIN)/doctor $(if $(filter json,$(FORMAT)),--json)

deps:
	@tools/install-tools --all

sweep: ready
	@$(call build-bins,sweep)
	@$(SUDO) $(BIN)/sweep $(if $(DRY),--dry-run) $(filter-out target/rootfs/host,$(ROOTFS))

# What is mounted below target/ belongs to the machine, and would be removed with it.
clean:
	@[ ! -d target ] || $(MAKE) sweep DRY=
	@cargo clean --quiet 2> /dev/null || tools/remove-target

.PHONY: help image ready doctor deps sweep build rootfs check escape demo ssh bench stress real test vm test-vm mutants book clean
