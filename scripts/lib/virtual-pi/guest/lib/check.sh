# Facts that a job checks, in words. Sourced in the guest.
# shellcheck shell=bash

passed=0 failed=0 skipped=0

# expect SENTENCE COMMAND...: a fact that must hold.
expect() {
    local sentence=$1
    shift
    if "$@"; then
        printf '  ok    %s\n' "$sentence"
        passed=$((passed + 1))
    else
        printf '  FAIL  %s\n        checked with: %s\n' "$sentence" "$*"
        failed=$((failed + 1))
    fi
}

# not COMMAND...: succeeds when the command fails.
not() { ! "$@"; }

# quietly COMMAND...: for commands whose answer is their exit code.
quietly() { "$@" >/dev/null 2>&1; }

# figure TEXT...: something measured, for whoever reads the job.
figure() { printf '        %s\n' "$*"; }

# skip SENTENCE REASON: a fact that cannot be checked here.
skip() {
    printf '  skip  %s: %s\n' "$1" "$2"
    skipped=$((skipped + 1))
}

# is ACTUAL EXPECTED: the same text.
is() { [[ $1 == "$2" ]]; }

# near ACTUAL EXPECTED TOLERANCE: numbers that differ by no more.
near() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; exit !(a != "" && d <= t && d >= -t) }'; }

# checked: the job's last line and status.
checked() {
    printf '  %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    ((failed == 0))
}
