# Cargo tools of a pinned version, kept outside the checkout. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "${BASH_SOURCE[0]%/*}/toolchain.sh"

tools_directory=${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse/tools

# need_tool NAME VERSION: builds the tool once, and puts it first on the path.
need_tool() {
    local name=$1 version=$2 root=$tools_directory/$1-$2
    if [[ ! -x $root/bin/$name ]]; then
        say "Building $name $version (once; it is kept in $root)"
        # Its own target directory: the tool's dependencies have nothing to do with those of the workspace. Hardly
        # optimised: it runs for seconds, and would otherwise be built for many minutes.
        env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
            CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo install --quiet --locked --version "$version" --root "$root" "$name" \
            </dev/null >&2 || die "$name $version did not build" "The message is above. It needs the crates.io registry."
    fi
    PATH=$root/bin:$PATH
}

# cargo-deny: licences, duplicate versions and sources of the dependencies.
need_cargo_deny() { need_tool cargo-deny 0.20.2; }
# cargo-deb: the Debian package.
need_cargo_deb() { need_tool cargo-deb 3.8.0; }
