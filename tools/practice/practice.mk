# What the learner does: exercises, bugs to find, and what became of them. Included by the Makefile.

PRACTICE := $(BIN)/practice
EX       ?=
N        ?=
option    = $(if $(1),$(2) '$(subst ','\'',$(1))')

# It depends on no step: whatever the learner's code is like, this builds.
$(PRACTICE): FORCE
	@[ -e $@ ] || echo "Building practice; the first time takes a minute." >&2
	@cargo build --quiet --package practice
FORCE:

# The claims need the harness, the step before and a rootfs. They are built from a tree in which nothing is left to write, once.
tried: $(PRACTICE)
	@[ -x $(BIN)/check ] && [ -x $(BIN)/09-full ] && [ -d target/rootfs/host/proc ] || $(MAKE) rootfs

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

# Whether an exercise of chapter $* is open (its claims are then shown one by one), and a line for those that judge everything.
practising = [ -x $(PRACTICE) ] && $(PRACTICE) status --quiet '$*'
say_open   = if [ -x $(PRACTICE) ]; then $(PRACTICE) status | sed 's/^/Note: /' >&2; fi

.PHONY: FORCE tried progress course
