# The fuzz targets of the broker: built and run. Sourced from the root of the checkout.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"
# shellcheck source=scripts/lib/toolchain.sh
source "${BASH_SOURCE[0]%/*}/toolchain.sh"

fuzz_directory=crates/broker/fuzz
# shellcheck disable=SC2034 # used by those that source this
fuzz_targets=(codec core)

# build_fuzz_targets: builds them as `cargo fuzz build --sanitizer none` does, but with plain cargo: the counters of
# coverage that libFuzzer reads are a pass of the stable compiler, and there is no unsafe code here that the address
# sanitizer, which asks for a nightly one, would watch. Debug assertions and overflow checks are on.
build_fuzz_targets() {
    local flags=(-Cpasses=sancov-module --cfg=fuzzing)
    flags+=(-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters)
    flags+=(-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)
    # The versions of the workspace, without a second list of them to keep: cargo takes out what is not needed here, and
    # adds libFuzzer, whose version the manifest pins.
    cp Cargo.lock "$fuzz_directory/Cargo.lock"
    fuzz_host=$(rustc -vV | sed -n 's/^host: //p')
    # With --target the flags are for the targets alone, and not for what runs while they are built.
    RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR=$(target_directory)/fuzz \
        run cargo build --release --target "$fuzz_host" --manifest-path "$fuzz_directory/Cargo.toml"
}

# fuzz TARGET SECONDS [OPTION...]: runs a target over its corpus, and on from there. What it finds is left in
# target/fuzz/corpus; an input that breaks something is left beside it, and named.
fuzz() {
    local target=$1 seconds=$2 work
    shift 2
    work=$(target_directory)/fuzz/corpus
    mkdir -p "$work/$target" "$fuzz_directory/corpus/$target"
    run "$(target_directory)/fuzz/$fuzz_host/release/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -artifact_prefix="$work/$target-" -verbosity=0 -print_final_stats=1 "$@" "$work/$target" "$fuzz_directory/corpus/$target"
}

# fuzz_again TARGET RUNS: the corpus that is checked in, and RUNS inputs that follow from it, the same each time. On a slow
# machine it ends after two minutes with fewer.
fuzz_again() {
    local target=$1 runs=$2 work
    work=$(target_directory)/fuzz/again
    rm -rf "${work:?}/$target"
    mkdir -p "$work/$target"
    run "$(target_directory)/fuzz/$fuzz_host/release/$target" -runs="$runs" -seed=1 -max_total_time=120 -max_len=4096 \
        -timeout=30 -artifact_prefix="$work/$target-" -verbosity=0 -print_final_stats=1 \
        "$work/$target" "$fuzz_directory/corpus/$target"
}
