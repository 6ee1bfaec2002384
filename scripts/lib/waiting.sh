# Waiting for a condition, with a limit, by the one clock that nobody sets. Sourced, also in the guests of the emulated boards.
# shellcheck shell=bash

# soon SECONDS COMMAND...: tries until it succeeds, at most so long.
soon() {
    local until
    until=$(($(milliseconds) + $1 * 1000))
    shift
    until "$@"; do
        (($(milliseconds) < until)) || return 1
        sleep 0.1
    done
}

# milliseconds: time since the machine was started.
milliseconds() {
    local up
    read -r up _ </proc/uptime
    up=${up/./}0
    printf '%d' "$((10#$up))"
}
