# The entry points of the project. `make` lists them. The continuous build (.ci/run) calls exactly these.

# One cargo profile for everything: `make test PROFILE=release` tests the optimised build.
PROFILE ?= dev
# Tests that ctest runs at once, and a regular expression of the ones to run (`make ctest TESTS=rules`).
JOBS ?= 4
TESTS ?= .

CARGO := scripts/cargo.sh
MAKEFLAGS += --no-print-directory
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
PROFILE_DIR := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
DEB_DIR ?= $(TARGET_DIR)/packages
CMAKE_DIR := $(abspath $(or $(CMAKE_BUILD_DIR),build))

.DEFAULT_GOAL := help
.PHONY: help wheel setup setup-tests build configure test-programs test cargo-test ctest lint header docs-api examples demo bench bench-peers imsdk static kotlin install install-built uninstall deb npm memcheck asan tsan drd loom kills simulate fuzz clean

help: ## this list
	@echo 'tim-presence: user status as a C library and a server. Entry points:'
	@awk -F':.*## ' '/^[a-z -]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'With PROFILE=release each of them uses the optimised build. Nothing needs installing first: they do it.'

setup: ## install what is missing (Debian, Ubuntu; root or sudo), saying what
	@scripts/setup.sh

build: setup ## libtim_presence.so and .a, include/tim_presence.h checked, tim-presence-server
	$(CARGO) build --profile $(PROFILE)
	@ln -sf libtim_presence.so $(PROFILE_DIR)/libtim_presence.so.0 # the name that programs look for
	@echo 'built in $(PROFILE_DIR): libtim_presence.so libtim_presence.a tim-presence-server'

test: setup-tests cargo-test ctest ## every test: Rust, then C programs against the built library and server

setup-tests:
	@scripts/setup.sh tests

cargo-test: setup ## the Rust tests of all crates
	$(CARGO) test --workspace --profile $(PROFILE)

ctest: setup-tests test-programs ## the C tests; TESTS=regex chooses, JOBS=n at once
	cd $(CMAKE_DIR) && ctest --output-on-failure --no-tests=error -j $(JOBS) -R '$(TESTS)'

lint: setup ## formatting and clippy, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

header: setup ## write include/tim_presence.h anew from the sources
	TIM_UPDATE_HEADER=1 $(CARGO) build --profile $(PROFILE)

docs-api: ## the reference pages of the C and C++ headers, in docs/api (needs doxygen)
	@command -v doxygen >/dev/null || { echo 'doxygen is missing: apt-get install doxygen' >&2; exit 1; }
	@mkdir -p docs/api
	doxygen docs/Doxyfile
	@echo 'built: docs/api/index.html'

configure: build
	@mkdir -p $(CMAKE_DIR)
	@cmake -S tests -B $(CMAKE_DIR) -DTIM_PROFILE_DIR=$(PROFILE_DIR) >$(CMAKE_DIR)/configure.log 2>&1 || { cat $(CMAKE_DIR)/configure.log; exit 1; }

test-programs: configure
	cmake --build $(CMAKE_DIR) -j $(JOBS)

examples: configure ## the examples in C and C++, in build/examples_c
	@cmake --build $(CMAKE_DIR) -j $(JOBS) --target examples
	@echo 'built: $(CMAKE_DIR)/examples_c'

demo: configure ## five users, five processes, one server: watch them come and go
	@cmake --build $(CMAKE_DIR) -j $(JOBS) --target demo demo_user
	@$(CMAKE_DIR)/examples_c/demo $(PROFILE_DIR)/tim-presence-server

bench: setup ## the client's side as C programs meet it: calls, callbacks, memory, size, load; RUNS=n (docs/PERFORMANCE.md)
	@benches/run.sh

bench-peers: setup ## our server beside five peers, about an hour; ROUNDS=n, SCENARIOS='...' (docs/PERFORMANCE.md)
	@scripts/bench-peers.sh

imsdk: setup ## libImSDK.so for every Linux since 2014, optimised (needs python3-venv)
	@scripts/imsdk.sh release $(TARGET_DIR)/imsdk

kotlin: setup-tests build ## the Kotlin and Java package, installed into ~/.m2 (docs/KOTLIN.md)
	bindings/kotlin/native/build.sh $(PROFILE_DIR)/libtim_presence.a $(CMAKE_DIR)/jar/native
	mvn -q -B -f bindings/kotlin/pom.xml -Dtim.build=$(CMAKE_DIR)/jar -Dmaven.test.skip=true install
	@echo 'installed: tim.presence:tim-presence:0.1.0'

static: build ## a static library with no global symbols but tim*, and its list of native libraries checked
	@mkdir -p $(PROFILE_DIR)/static
	scripts/static.sh $(PROFILE_DIR)/libtim_presence.a $(PROFILE_DIR)/static/libtim_presence.a
	@tests/checkers/static/run.sh native $(PROFILE_DIR)/libtim_presence.a $(CURDIR) $(TARGET_DIR)
	@echo 'built: $(PROFILE_DIR)/static/libtim_presence.a'

# Installing wants the optimised build, unless PROFILE is given. Under sudo nothing is built, so that no file of root's is left among
# yours:  make build PROFILE=release && sudo make install
INSTALL_PROFILE := $(if $(filter file,$(origin PROFILE)),release,$(PROFILE))
INSTALL_PATHS = PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' LIBDIR='$(LIBDIR)' INCLUDEDIR='$(INCLUDEDIR)' BINDIR='$(BINDIR)' DOCDIR='$(DOCDIR)'

install: ## library, headers, server, pkg-config and CMake files; PREFIX=/usr/local, DESTDIR, LIBDIR, INCLUDEDIR, BINDIR, DOCDIR
	@[ -n "$$SUDO_USER" ] || $(MAKE) build PROFILE=$(INSTALL_PROFILE)
	@$(MAKE) install-built PROFILE=$(INSTALL_PROFILE)

install-built:
	@$(INSTALL_PATHS) scripts/install.sh install $(PROFILE_DIR)

uninstall: ## remove what `make install` with the same paths put there
	@$(INSTALL_PATHS) scripts/install.sh uninstall

deb: ## Debian packages of library, headers and server, in DEB_DIR (packaging/README.md)
	@$(MAKE) build PROFILE=$(INSTALL_PROFILE)
	@packaging/deb.sh $(TARGET_DIR)/$(if $(filter dev,$(INSTALL_PROFILE)),debug,$(INSTALL_PROFILE)) $(DEB_DIR) 'library server'

NPM_DIR ?= $(TARGET_DIR)/npm
npm: setup-tests ## the npm package for this processor and every Linux since 2014, optimised, in target/npm (docs/NODE.md)
	@CARGO_TARGET_DIR=$(TARGET_DIR) bindings/node/release.sh $(INSTALL_PROFILE) $(NPM_DIR)

WHEEL_DIR ?= $(TARGET_DIR)/wheel
wheel: setup-tests ## the Python package for this processor and every Linux since 2014, in target/wheel
	@CARGO_TARGET_DIR=$(TARGET_DIR) bindings/python/check.sh $(TARGET_DIR)/wheel/venv '' wheel release $(WHEEL_DIR)

# The long checks: docs/TESTING.md says what each proves, what it needs installed and how long it takes.
memcheck: test-programs ## valgrind over the C programs: no error, nothing lost
	@JOBS=$(JOBS) tests/checkers/valgrind/memcheck.sh $(CMAKE_DIR) $(PROFILE_DIR)/tim-presence-server

asan tsan: build ## library and C tests with AddressSanitizer and UBSan, or with ThreadSanitizer
	@JOBS=$(JOBS) tests/checkers/sanitizers/run.sh $@ $(CURDIR) $(TARGET_DIR) $(PROFILE_DIR)/tim-presence-server $(CMAKE_DIR)

# Valgrind's drd and helgrind do not see Rust's locks, which are futexes, and report each use of what they guard.
drd: tsan

loom: setup ## every order in which delivery, listeners and destroy can meet
	RUSTFLAGS='--cfg tim_loom' CARGO_PROFILE_DEV_OPT_LEVEL=1 $(CARGO) test --target-dir $(TARGET_DIR)/loom -p presence-client --lib model::

FUZZ_SECONDS ?= 600
kills: setup ## the server killed 1 000 times under load (docs/TESTING.md)
	TIM_KILLS=1000 $(CARGO) test --profile $(PROFILE) -p tim-presence-server --test store kills -- --nocapture

SEEDS ?= 1000
FROM ?= 0
simulate: setup ## SEEDS simulated stories, from the seed FROM on (docs/TESTING.md)
	PRESENCE_SEEDS=$(SEEDS) PRESENCE_FROM=$(FROM) $(CARGO) test --profile $(PROFILE) -p presence-simulation --test seeds -- --nocapture

fuzz: setup ## each fuzzer for FUZZ_SECONDS, one at a time
	fuzz/run.sh $(TARGET_DIR)/fuzz $(FUZZ_SECONDS)

clean: ## remove everything that was built
	rm -rf $(CMAKE_DIR)
	$(CARGO) clean
