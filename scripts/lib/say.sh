# Messages of the scripts, and nothing else. Sourced, not run.
# Progress goes to standard error, so that a script's own result can be piped.
# shellcheck shell=bash

# shellcheck disable=SC2034 # the colours are used by those that source this
if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' plain=''
fi

# say TEXT: one line of progress.
say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*" >&2; }

# note TEXT: a detail below a line of progress.
note() { printf '    %s%s%s\n' "$dim" "$*" "$plain" >&2; }

# warn TEXT: something is not as it should be, but the work goes on.
warn() { printf '%swarning:%s %s\n' "$bold" "$plain" "$*" >&2; }

# die TEXT [LINE...]: says what happened, then what to do about it, and ends the script with 1.
die() {
    printf '%serror:%s %s\n' "$red" "$plain" "$1" >&2
    shift
    local line
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}
