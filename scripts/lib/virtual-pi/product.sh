# What the rigs try out: the package, and the programs that stand around the daemon. Sourced from the root of the checkout.
# shellcheck shell=bash
# shellcheck source=scripts/lib/web.sh
source "${BASH_SOURCE[0]%/*}/../web.sh"
# shellcheck source=scripts/lib/tools.sh
source "${BASH_SOURCE[0]%/*}/../tools.sh"
# shellcheck source=scripts/lib/cross.sh
source "${BASH_SOURCE[0]%/*}/../cross.sh"

# build_package ARCHITECTURE PROFILE DIRECTORY: puts gatehouse.deb into a directory.
build_package() {
    local architecture=$1 profile=$2 directory=$3 target
    target=$(rust_target "$architecture")
    need_target "$architecture"
    need_cargo_deb
    build_web
    node scripts/lib/licences.mjs "$target" gatehouse/rppal deploy/generated/third-party-licences >&2 ||
        die "the licences of the package could not be collected" "The message is above."
    say "Building the package for $architecture ($profile build; the first one takes many minutes)"
    cargo deb --quiet --locked --profile "$profile" --target "$target" --package gatehouse --output "$directory/" \
        </dev/null >&2 || die "the package was not built" "The message is above."
    mv "$directory"/gatehouse_*.deb "$directory/gatehouse.deb"
}

# build_rig ARCHITECTURE PROFILE DIRECTORY: puts the programs of the rig and the contract test into a directory.
build_rig() {
    local architecture=$1 profile=$2 directory=$3 target built
    target=$(rust_target "$architecture")
    need_target "$architecture"
    say "Building the rig's programs for $architecture ($profile build)"
    cargo build --quiet --locked --profile "$profile" --target "$target" --package gatehouse-rig </dev/null >&2 ||
        die "the rig's programs were not built" "The message is above."
    cargo build --quiet --locked --profile "$profile" --target "$target" --package gatehouse-board --example board_contract \
        </dev/null >&2 || die "the contract of the boards was not built" "The message is above."
    built=$(target_directory)/$target/$profile
    cp "$built/rig" "$built/examples/board_contract" "$directory/"
}
