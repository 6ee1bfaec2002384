# Named and timed steps, with a table of them at the end. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/say.sh
source "${BASH_SOURCE[0]%/*}/say.sh"

step_names=() step_seconds=() step_current='' step_command=''
# What a reader of the table has to know beside it.
step_notes=()

# step NAME FUNCTION: runs one step. The first that fails ends the script, after the table.
step() {
    step_current=$1 step_command=''
    local started=$SECONDS
    printf '\n%s── %s %s%s\n' "$bold" "$step_current" "$(printf '─%.0s' {1..60})" "$plain" >&2
    "$2"
    step_names+=("$step_current")
    step_seconds+=($((SECONDS - started)))
    step_current=''
}

# run COMMAND...: shows the command, runs it, and ends the script when it fails.
run() {
    step_command=$(printf '%q ' "$@")
    printf '%s$ %s%s\n' "$dim" "$step_command" "$plain" >&2
    "$@" </dev/null || exit 1
    step_command=''
}

# steps_summary: prints the table. Meant for `trap steps_summary EXIT`, so that it appears after a failure too.
steps_summary() {
    local i
    ((${#step_names[@]})) || [[ -n $step_current ]] || return 0
    printf '\n%sstep            time%s\n' "$bold" "$plain" >&2
    for i in "${!step_names[@]}"; do
        printf '%s✓%s %-12s %4d s\n' "$green" "$plain" "${step_names[i]}" "${step_seconds[i]}" >&2
    done
    if [[ -n $step_current ]]; then
        printf '%s✗ %-12s failed%s\n' "$red" "$step_current" "$plain" >&2
        [[ -z $step_command ]] || printf '  in: %s\n' "$step_command" >&2
    fi
    printf '  %-12s %4d s\n' total "$SECONDS" >&2
    ((${#step_notes[@]} == 0)) || printf '%s\n' "${step_notes[@]}" >&2
}
