# What the learner does: exercises, bugs to find, and what became of them. Included by the Makefile.

PRACTICE := $(BIN)/practice
EX       ?=
N        ?=
option    = $(if $(1),$(2) '$(subst ','\'',$(1))')

# It depends on no step: whatever the learner's code is like, this builds.
$(PRACTICE): FORCE | ready
	@[ -e $@ ] || echo "Building practice; the first time takes a minute." >&2
	@$(call build-bins,practice)
FORCE:

# The claims need the harness, the step before and a rootfs. They are built from a tree in which nothing is left to write, once.
tried: $(PRACTICE)
	@[ -x $(BIN)/check ] && [ -x $(BIN)/09-full ] && [ -d target/rootfs/host/proc ] || $(MAKE) rootfs > /dev/null

practice-%: tried
	@$(PRACTICE) start '$*' $(call option,$(value EX),--exercise)

bug-%: tried
	@$(PRACTICE) bug '$*' $(call option,$(value N),--number)

watch-%: tried
	@$(PRACTICE) watch '$*' $(call option,$(SUDO),--sudo)

hint-%: $(PRACTICE)
	@$(PRACTICE) hint '$*'

solution-%: $(PRACTICE)
	@$(PRACTICE) solution '$*'

reset-%: $(PRACTICE)
	@$(PRACTICE) reset '$*' $(if $(ALL),--all)

progress: tried
	@$(PRACTICE) progress $(call option,$(SUDO),--sudo)

# The course's commit, which is the original of everything that practice brings back: COMMIT=origin/main after git pull.
course: $(PRACTICE)
	@$(PRACTICE) commit $(call option,$(value COMMIT))

# What the learner wrote, for whoever grades it.
hand-in: $(PRACTICE)
	@mkdir -p target && $(PRACTICE) hand-in $(or $(TO),target/hand-in.tar)

# Students' trees or archives, judged in containers of step 09. TREE='hand-ins/*' for many.
grade: build
	@$(PRACTICE) grade $(TREE) $(call option,$(value JSON),--json)

# Each exercise is one: it takes out what it says, the claims notice, and the way back leads back. QUICK=1: a few of them.
EXERCISES ?= $(if $(QUICK),03 02-pid/no-request 06-mount/pivot,all)
test-practice: build
	@EXERCISES="$(EXERCISES)" cargo test --quiet --package practice

# A perfect tree, one that is half done, and one that attacks.
test-grade: build
	@cargo test --quiet --package practice --test grade -- --nocapture

# Whether an exercise of chapter $* is open (its claims are then shown one by one), and a line for those that judge everything.
practising = [ -x $(PRACTICE) ] && $(PRACTICE) status --quiet '$*'
say_open   = if [ -x $(PRACTICE) ]; then $(PRACTICE) status | sed 's/^/Note: /' >&2; fi

# For what shows the course: goes to the course's version of the tree while the learner's is another.
go_to_course = if [ -x $(PRACTICE) ] && $(PRACTICE) status --quiet; then \
    rm -rf target/original && $(PRACTICE) original target/original && cd target/original; fi

.PHONY: FORCE tried progress course hand-in grade test-practice test-grade
