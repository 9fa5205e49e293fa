# What `sam build` calls for each function of template.yaml: build-PostgresFunction builds functions/postgres. Needs make and Node.
# Not with `sam build --parallel` in a fresh clone: two of these would install the packages at the same time.

build-%Function: node_modules/.package-lock.json
	npm run --silent build -- $(call lower,$*)
	cp dist/$(call lower,$*)/*.mjs "$(ARTIFACTS_DIR)"

# npm writes this file last. It builds with development dependencies, whatever NODE_ENV says.
node_modules/.package-lock.json: package-lock.json
	npm ci --include=dev --no-audit --no-fund

lower = $(shell printf %s $(1) | tr A-Z a-z)
