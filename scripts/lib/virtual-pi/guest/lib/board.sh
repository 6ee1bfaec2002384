# The board of a virt machine: the rigs' kernel modules, and the world outside its pins. Sourced in the guest.
# shellcheck shell=bash

# As many lines as a Pi 4's chip has, under its name: the header's chip is found by that.
board_lines=54
board_label=pinctrl-bcm2711
# The bus of the header.
board_bus=1
# What surrounds the chips (tests/rig/src/chips/world.rs).
world=/run/world

# board_start: loads the modules and makes the board.
board_start() {
    local device=/sys/kernel/config/gpio-sim/board line
    mountpoint --quiet /sys/kernel/config || mount -t configfs none /sys/kernel/config
    # Only amd64 has no tree, and a module that makes one.
    [[ -e /proc/device-tree ]] || modprobe rig-tree
    modprobe gpio-sim
    modprobe rig-i2c buses="$board_bus"
    mkdir -p "$device/header"
    printf '%s' "$board_lines" >"$device/header/num_lines"
    printf '%s' "$board_label" >"$device/header/label"
    for ((line = 0; line < 28; line++)); do
        mkdir "$device/header/line$line"
        printf 'GPIO%d' "$line" >"$device/header/line$line/name"
    done
    printf 1 >"$device/live"
    udevadm settle
    : >"$world"
    ./rig chips "$board_bus" "$world" </dev/null &
    soon 5 quietly i2cget -y "$board_bus" 0x49 0 w
}

# board_chip: the name of the header's chip, such as gpiochip1.
board_chip() { cat /sys/kernel/config/gpio-sim/board/header/chip_name; }

# board_line LINE: the line's directory, with `pull` (in) and `value` (out).
board_line() { printf '%s/sim_gpio%d' "${board_lines_directory:=$(board_directory)}" "$1"; }
board_lines_directory=''
board_directory() { printf '/sys/devices/platform/%s/%s' "$(cat /sys/kernel/config/gpio-sim/board/dev_name)" "$(board_chip)"; }

# line_pull LINE up|down: what the world does to the line.
line_pull() { printf 'pull-%s' "$2" >"$(board_line "$1")/pull"; }

# line_is LINE LEVEL: what the world sees. No program is started for it, which takes long on an emulated processor.
line_is() {
    local level
    [[ -n $board_lines_directory ]] || board_lines_directory=$(board_directory)
    read -r level <"$board_lines_directory/sim_gpio$1/value"
    [[ $level == "$2" ]]
}

# set_world NAME [VALUE]: changes what surrounds a chip.
set_world() { printf '%s\n' "$*" >>"$world"; }

# kernel_chip DRIVER ADDRESS: binds a driver of the kernel's own to an address of the bus.
kernel_chip() { printf '%s %s' "$1" "$2" >"/sys/bus/i2c/devices/i2c-$board_bus/new_device"; }
