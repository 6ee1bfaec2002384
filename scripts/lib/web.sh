# Installs npm packages and builds the web app, each only when something changed. Sourced from the root of the
# checkout.
#
# What was done last is remembered as a digest inside node_modules: it belongs to this checkout, is never committed,
# and vanishes with what it speaks of.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "${BASH_SOURCE[0]%/*}/toolchain.sh"

# digest_of_tree DIRECTORY: one digest over the names and contents of a directory's sources.
digest_of_tree() {
    (cd "$1" && find . \( -name node_modules -o -name dist -o -name test-results \) -prune -o -type f -print0 |
        LC_ALL=C sort --zero-terminated | xargs --null sha256sum | sha256sum | cut -d ' ' -f 1)
}

# npm_install DIRECTORY: `npm ci`, when the lock file or the Node.js version changed since the last one.
npm_install() {
    local directory=$1 stamp=$1/node_modules/.gatehouse-installed wanted
    wanted="$(node --version) $(sha256sum <"$directory/package-lock.json")"
    [[ $(cat "$stamp" 2>/dev/null) != "$wanted" ]] || return 0
    say "Installing the npm packages of $directory (its package-lock.json is new or changed)"
    (cd "$directory" && npm ci --no-audit --no-fund </dev/null >&2) || die "npm ci failed in $directory" \
        "Its message is above. It needs the npm registry; check the network, then start this script again."
    printf '%s\n' "$wanted" >"$stamp"
}

# build_web: builds web/dist, which the daemon embeds, when the web app's sources changed since the last time.
build_web() {
    need_node
    npm_install web
    local stamp=web/node_modules/.gatehouse-built wanted
    wanted=$(digest_of_tree web)
    if [[ -f web/dist/index.html && $(cat "$stamp" 2>/dev/null) == "$wanted" ]]; then return 0; fi
    say "Building the web app"
    (cd web && npm run --silent build </dev/null >&2) || die "the web app did not build" "The message is above."
    # Taken again: a build may write generated files beside the sources.
    digest_of_tree web >"$stamp"
}
