# Checks the compilers that a person installs by hand: Rust and Node.js. Sourced from the root of the checkout.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/apt.sh
source "${BASH_SOURCE[0]%/*}/apt.sh"

# version_at_least HAVE WANT: compares dotted numbers.
version_at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1) == "$2" ]]; }

# need_rust: cargo and a rustc that is new enough (the workspace's `rust-version`), and a C compiler for SQLite.
need_rust() {
    # A rustup that was installed a minute ago is not yet on the path of a shell that is older.
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-$HOME/.cargo}/bin/cargo ]]; then
        PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
    fi
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
    command -v cargo >/dev/null || die "Rust is not installed." \
        "Install it with rustup (https://rustup.rs), then start this script again." \
        "Debian's own rustc is too old: version $wanted or later is needed."
    have=$(rustc --version | cut -d ' ' -f 2)
    version_at_least "${have%%-*}" "$wanted" || die "rustc is $have, but $wanted or later is needed." \
        "Run: rustup update stable" "If rustc came from Debian, install Rust with rustup instead (https://rustup.rs)."
    need_command cc "a C compiler: SQLite is built from its source" build-essential
    limit_jobs
}

# limit_jobs: a compiler process wants about 700 MB at worst. A Pi with less than that for each core would swap for
# hours, so cargo gets fewer jobs there.
limit_jobs() {
    [[ -z ${CARGO_BUILD_JOBS:-} && -r /proc/meminfo ]] || return 0
    local memory_mb jobs cores
    cores=$(nproc)
    memory_mb=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
    jobs=$((memory_mb / 700))
    ((jobs >= 1)) || jobs=1
    if ((jobs < cores)); then
        note "$memory_mb MB of memory: compiling $jobs at a time instead of $cores"
        export CARGO_BUILD_JOBS=$jobs
    fi
}

# need_node: Node.js and npm, new enough for the web app's build (`engines` of web/package.json).
need_node() {
    local wanted have
    wanted=$(sed -n 's/.*"node": *">=\([0-9.]*\)".*/\1/p' web/package.json)
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        die "Node.js with npm is not installed." \
            "Install its current long-term version (https://nodejs.org/en/download), then start this script again." \
            "Debian 12's own package is too old: version $wanted or later is needed."
    fi
    have=$(node --version)
    version_at_least "${have#v}" "$wanted" || die "Node.js is ${have#v}, but $wanted or later is needed." \
        "Install the current long-term version (https://nodejs.org/en/download), then start this script again."
}

# target_directory: where cargo puts what it builds, as an absolute path.
target_directory() { realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}"; }
