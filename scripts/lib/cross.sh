# Building for another processor than this machine's. Sourced from the root of the checkout.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "${BASH_SOURCE[0]%/*}/toolchain.sh"

# Debian's names of the architectures that there are packages for.
# shellcheck disable=SC2034 # used by those that source this
architectures=(arm64 armhf amd64)

# rust_target ARCHITECTURE: Rust's name of a Debian architecture. Debian's armhf is ARMv7 with hardware floating point.
rust_target() {
    case $1 in
        amd64) printf x86_64-unknown-linux-gnu ;;
        arm64) printf aarch64-unknown-linux-gnu ;;
        armhf) printf armv7-unknown-linux-gnueabihf ;;
        *) die "there is no package for the architecture $1" "There are packages for ${architectures[*]}." ;;
    esac
}

# gnu_triplet ARCHITECTURE: the prefix of Debian's cross compiler for it.
gnu_triplet() {
    case $1 in
        amd64) printf x86_64-linux-gnu ;;
        arm64) printf aarch64-linux-gnu ;;
        armhf) printf arm-linux-gnueabihf ;;
    esac
}

# need_target ARCHITECTURE: Rust's standard library for it, and a C compiler that also links.
need_target() {
    local target triplet variable
    target=$(rust_target "$1")
    triplet=$(gnu_triplet "$1")
    need_rust
    if [[ $1 != "$(dpkg --print-architecture)" ]]; then
        need_apt "builds for $1" "gcc-${triplet//_/-}" "libc6-dev-$1-cross"
        variable=${target//-/_}
        export "CARGO_TARGET_${variable^^}_LINKER=$triplet-gcc" "CC_$variable=$triplet-gcc" "AR_$variable=$triplet-ar"
    fi
    if ! [[ -d $(rustc --print sysroot)/lib/rustlib/$target ]]; then
        command -v rustup >/dev/null || die "this Rust cannot build for $target" \
            "It has no standard library for it, and there is no rustup to fetch one."
        say "Fetching Rust's standard library for $target"
        rustup target add "$target" >&2 || die "rustup could not fetch it" "Its message is above."
    fi
}
