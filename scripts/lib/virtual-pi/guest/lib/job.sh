# What every job has at hand. Sourced in the guest.
# shellcheck shell=bash
# shellcheck source=scripts/lib/waiting.sh
source lib/waiting.sh
# shellcheck source=scripts/lib/virtual-pi/guest/lib/check.sh
source lib/check.sh
# shellcheck source=scripts/lib/virtual-pi/guest/lib/board.sh
source lib/board.sh
# shellcheck source=scripts/lib/virtual-pi/guest/lib/gatehouse.sh
source lib/gatehouse.sh
