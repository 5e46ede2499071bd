# make prints this help; every target works from a fresh clone
#
#   make doctor      will it work here? chapter by chapter, and what mends the rest   [FORMAT=json]
#   make deps        install the programs that the course uses and this machine lacks  [YES=1]
#
#   make step-NN     build and run step NN: 01 to 09       [CMD="ps ax"] [ARGS="--hostname web"] [ROOTFS=DIR]
#   make diff-NN     what chapter NN changes against the one before
#   make trace-NN    run step NN and show the system calls that the course is about     [CMD=…] [ARGS=…] [ROOTFS=DIR]
#   make check-NN    what chapter NN claims, claim by claim     [VERBOSE=1] [FORMAT=json|tap] [SUDO=sudo]
#   make check       all chapters, with a table at the end
#   make escape-NN   what an attacker can do inside step NN, and which chapter stops it     [VERBOSE=1]
#   make escape      all attacks on all steps, and on the other runtimes that are installed     [SUDO=sudo]
#   make demo        the whole assignment in one go: name, processes, address, client and server, CPU held at 0.8
#   make ssh         log in to a container with ssh, run ps, pstree, top and ls there   [CMD=…]
#   make rootfs      the root filesystem that the steps use                             [ADD="PROGRAM …"]
#   make book        the book, in docs/book (mdbook is installed for that)
#   make test        check every claim of every chapter on this machine
#   make vm          the whole course in a machine that is thrown away                  [CMD=…] [KERNEL=6.12]
#   make test-vm     the claims on other kernels, and on other layouts of cgroups       [KERNELS="6.1 6.12 5.10"]
#   make bench       how long a start takes, beside other programs that start containers
#   make stress      a thousand starts, a hundred at once, two hundred killed: is the host as before?
#   make mutants     break the steps in some fifty ways and see every one noticed (a quarter of an hour)
#   make sweep       remove what an interrupted experiment left on the machine           [DRY=1] [SUDO=sudo] [ROOTFS=DIR]
#   make clean       sweep, then remove what was built

MAKEFLAGS += --no-print-directory
BIN       := target/debug
ROOTFS    ?= target/rootfs/host
ARGS      ?=
CMD       ?=

# 01 to 04 need root, as their chapters explain. Everything is built as you; sudo stands before the one program alone.
ROOT_STEPS := 01 02 03 04
sudo = $(if $(filter 0,$(shell id -u)),,$(if $(filter $*,$(ROOT_STEPS)),sudo))
name = $(notdir $(wildcard steps/$*-*))
prev = $(lastword $(filter-out $(name) $(later),$(STEPS)))
STEPS := $(notdir $(sort $(wildcard steps/0*)))
later = $(shell for step in $(STEPS); do [ $$step \> $(name) ] && echo $$step; done)

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

build:
	@[ -e $(BIN)/09-full ] || echo "Building; the first time takes a minute or two." >&2
	@cargo build --quiet --workspace

# Another ROOTFS is taken as it is.
rootfs: build
	@$(if $(filter target/rootfs/host,$(ROOTFS)),$(BIN)/rootfs $(ADD:%=--add %) $(if $(filter rootfs,$(MAKECMDGOALS)),,>/dev/null))

step-%: rootfs
	@$(if $(name),,echo "There is no step $*: $(STEPS)" >&2; exit 2)
	@$(sudo) $(BIN)/$(name) $(value ARGS) $(ROOTFS) $(value CMD)

diff-%:
	@$(if $(name),,echo "There is no step $*: $(STEPS)" >&2; exit 2)
	@git --no-pager diff --no-index $(if $(prev),steps/$(prev)/src/main.rs,/dev/null) steps/$(name)/src/main.rs || true
	@for file in $(wildcard steps/$(name)/src/lib.rs) \
	    $(filter-out %/lib.rs %/main.rs %/tests.rs,$(wildcard steps/$(name)/src/*.rs)) $(wildcard steps/$(name)/src/bin/*.rs); do \
	    git --no-pager diff --no-index /dev/null $$file || true; done

# strace(1) is asked for these calls; of those that every program makes by the dozen, only what concerns a container.
CALLS := clone3,unshare,execve,wait4,chroot,chdir,fchdir,prctl,sethostname,setdomainname,setgroups,setresuid,setresgid,$\
    mount,umount2,pivot_root,openat2,mkdir,rmdir,sendto,openat,write
NOISE := (openat|write|prctl)\(|execve\(.*ENOENT|--- SIGCHLD|\+\+\+
SHOWN := /(uid_map|gid_map|setgroups|tasks|container-[0-9]+)|PDEATHSIG

trace-%: rootfs
	@$(if $(name),,echo "There is no step $*: $(STEPS)" >&2; exit 2)
	@command -v strace >/dev/null || { echo "strace is not installed: sudo apt install strace" >&2; exit 1; }
	@: > target/trace-$*   # ours, even where strace runs as root
	@$(sudo) strace -f -y -s 64 -o target/trace-$* -e trace=$(CALLS) $(BIN)/$(name) $(value ARGS) $(ROOTFS) $(or $(value CMD),true); \
	    code=$$?; awk '!/$(subst /,\/,$(NOISE))/ || /$(subst /,\/,$(SHOWN))/' target/trace-$*; exit $$code

# The built claims of these packages, in the order of the chapters: cargo alone knows their names.
claims = cargo test --quiet --no-run $(1) --test claims && \
    $(SUDO) $(BIN)/check $(if $(FORMAT),--format $(FORMAT)) $(if $(VERBOSE),--verbose) \
    $$(cargo test --quiet --no-run $(1) --test claims --message-format=json | sort | sed -n 's|.*"executable":"\([^"]*/deps/claims-[^"]*\)".*|\1|p')

check-%: rootfs
	@$(if $(name),,echo "There is no step $*: $(STEPS)" >&2; exit 2)
	@$(call claims,-p step-$(name))

check: rootfs
	@$(call claims,--workspace)

escape-%: rootfs
	@$(if $(name),,echo "There is no step $*: $(STEPS)" >&2; exit 2)
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

test: rootfs
	@cargo test --quiet --workspace --no-fail-fast

mutants:
	@tests/mutants.sh

vm: build
	@KERNEL=$(KERNEL) tests/vm/shell.sh '$(value CMD)'

test-vm: build
	@KERNELS="$(KERNELS)" QUICK=$(QUICK) tests/vm/test.sh

book:
	@command -v mdbook >/dev/null || cargo install --quiet --locked mdbook
	@mdbook build docs

# Before anything is built: the shell looks for what building takes, and the doctor for all else.
machine:
	@tools/toolchain.sh
	@[ -e $(BIN)/doctor ] || echo "Building; the first time takes a minute." >&2
	@cargo build --quiet --package tools

doctor: machine
	@$(BIN)/doctor $(if $(filter json,$(FORMAT)),--json)

deps: machine
	@$(BIN)/install-tools $(if $(YES),--yes)

sweep: machine
	@$(SUDO) $(BIN)/sweep $(if $(DRY),--dry-run) $(filter-out target/rootfs/host,$(ROOTFS))

# What is mounted below target/ belongs to the machine, and would be removed with it.
clean:
	@[ ! -d target ] || $(MAKE) sweep DRY=
	cargo clean --quiet

.PHONY: help machine doctor deps sweep build rootfs check escape demo ssh bench stress test vm test-vm mutants book clean
