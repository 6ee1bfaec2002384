# What the rigs try out: the package, and the programs that stand around the daemon. Sourced from the root of the checkout.
# shellcheck shell=bash
# shellcheck source=scripts/lib/web.sh
source "${BASH_SOURCE[0]%/*}/../../lib/web.sh"
# shellcheck source=scripts/lib/tools.sh
source "${BASH_SOURCE[0]%/*}/../../lib/tools.sh"

# rust_target ARCHITECTURE: Rust's name of a Debian architecture.
rust_target() {
    case $1 in
        amd64) printf x86_64-unknown-linux-gnu ;;
        arm64) printf aarch64-unknown-linux-gnu ;;
        *) die "the rigs know no architecture $1" ;;
    esac
}

# need_target ARCHITECTURE: Rust's standard library and a linker for it.
need_target() {
    local target
    target=$(rust_target "$1")
    need_rust
    if [[ $1 != "$(dpkg --print-architecture)" ]]; then
        need_apt "builds for $1" gcc-aarch64-linux-gnu libc6-dev-arm64-cross
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    fi
    if ! [[ -d $(rustc --print sysroot)/lib/rustlib/$target ]]; then
        command -v rustup >/dev/null || die "this Rust cannot build for $target" \
            "It has no standard library for it, and there is no rustup to fetch one."
        say "Fetching Rust's standard library for $target"
        rustup target add "$target" >&2 || die "rustup could not fetch it" "Its message is above."
    fi
}

# build_product ARCHITECTURE PROFILE DIRECTORY: puts gatehouse.deb, the programs of the rig and the contract test into a
# directory.
build_product() {
    local architecture=$1 profile=$2 directory=$3 target built
    target=$(rust_target "$architecture")
    need_target "$architecture"
    need_cargo_deb
    build_web
    say "Building the package and the rig's programs for $architecture ($profile build; the first one takes many minutes)"
    cargo deb --quiet --locked --profile "$profile" --target "$target" --package gatehouse --output "$directory/" \
        </dev/null >&2 || die "the package was not built" "The message is above."
    mv "$directory"/gatehouse_*.deb "$directory/gatehouse.deb"
    cargo build --quiet --locked --profile "$profile" --target "$target" --package gatehouse-rig </dev/null >&2 ||
        die "the rig's programs were not built" "The message is above."
    cargo build --quiet --locked --profile "$profile" --target "$target" --package gatehouse-board --example board_contract \
        </dev/null >&2 || die "the contract of the boards was not built" "The message is above."
    built=$(target_directory)/$target/$profile
    cp "$built/rig" "$built/examples/board_contract" "$directory/"
}
