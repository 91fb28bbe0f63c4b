# The front door: everything a user or a maintainer does starts here.
.DEFAULT_GOAL := help
.PHONY: help demo test test-more test-vagrant soak lab lab-shell check fix bench build deb deb-vagrant clean deps
NODE_STAMP := node_modules/.stamp

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## create, use and destroy a real Debian guest, step by step
	@scripts/install-deps demo
	@scripts/demo

test: check ## unit tests, integration with real QEMU, end to end with a real Debian guest
	@scripts/install-deps test
	@node scripts/test.mjs unit integration e2e

test-more: $(NODE_STAMP) ## figures that take their time, packages, pages in a browser, BlockHost's database under stress
	@scripts/install-deps test more
	@node scripts/test.mjs more

soak: $(NODE_STAMP) ## a fault at every point of every verb, then 2,000 random verbs on 20 VMs, some of them killed
	@scripts/install-deps test
	@node scripts/test.mjs soak

test-vagrant: $(NODE_STAMP) ## the Vagrant provider: rspec, and real Vagrant
	@scripts/install-deps vagrant
	@node scripts/test.mjs vagrant

lab: $(NODE_STAMP) ## the tests that need a real host, with systemd and cgroup v2 (docs/lab.md)
	@scripts/install-deps lab deb
	@node scripts/test.mjs lab

lab-shell: build ## a root shell in a throw-away real host
	@scripts/install-deps lab
	@node scripts/lab-shell.mjs

check: $(NODE_STAMP) ## format, lint, types (part of `make test`)
	@scripts/install-deps check
	@node_modules/.bin/biome check --error-on-warnings .
	@node_modules/.bin/tsc
	@shellcheck scripts/demo scripts/install-deps scripts/build-vagrant .ci/run bin/blockhost-vm-metrics $$(git ls-files '*.sh')

fix: $(NODE_STAMP) ## put format and what the linter can mend in order
	@node_modules/.bin/biome check --write .

bench: build ## measure against raw QEMU and write build/bench.json
	@scripts/install-deps test bench
	@node scripts/bench.mjs

build: $(NODE_STAMP) ## bundle the program into dist/
	@node scripts/build.mjs

deb: ## the Debian package, into build/
	@scripts/install-deps deb
	@./build-deb.sh

deb-vagrant: ## the Vagrant plugin as .gem and .deb, into build/vagrant/
	@scripts/install-deps vagrant
	@scripts/build-vagrant

clean: ## remove what was built here; caches in ~/.cache/blockhost-qemu stay
	rm -rf dist build

$(NODE_STAMP): package.json package-lock.json
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@
