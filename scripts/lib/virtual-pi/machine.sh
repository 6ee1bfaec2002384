# The emulated machines: how they are started, and what is read from them. Sourced.
#
#   virt          QEMU's own arm64 machine, which says that it is a Pi 4; its lines and buses are the rigs' kernel modules
#   virt-amd64    the same with an amd64 kernel, for a quick look without a cross compiler
#   pi3           a Raspberry Pi 3B with its own pin controller and I2C buses, and five chips on the second of those
# shellcheck shell=bash
# shellcheck source=scripts/lib/virtual-pi/workshop.sh
source "${BASH_SOURCE[0]%/*}/workshop.sh"

# Longest life of a guest in seconds. One that is still there then hangs.
machine_limit=${RIG_LIMIT:-2400}

machine='' machine_directory='' machine_pid='' ssh_port='' http_port='' mqtt_port=''

# machine_start NAME JOB_DISK [DISK]: starts a machine in the background. Its disk is the image of its architecture, and what
# it writes there is forgotten, unless DISK is a copy of its own, a path below /rig. Its console, what the job says and QEMU's
# own words are files in `machine_directory`.
machine_start() {
    machine=$1
    local job=$2 disk=${3:-} options=() architecture=arm64 arguments='root=LABEL=rig rw'
    machine_directory=$(mktemp --directory "$rig_cache/run.XXXXXX")
    local inside=/rig/${machine_directory##*/}
    case $machine in
        virt)
            options=(qemu-system-aarch64 -machine virt -cpu cortex-a53 -smp 2 -m 512 -dtb /rig/arm64/virt.dtb)
            options+=(-device 'virtio-blk-pci,drive=disk' -device 'virtio-blk-pci,drive=job' -device virtio-rng-pci)
            arguments+=' console=ttyAMA0 rig.job'
            ;;
        virt-amd64)
            architecture=amd64
            options=(qemu-system-x86_64 -machine q35 -cpu max -smp 2 -m 512)
            options+=(-device 'virtio-blk-pci,drive=disk' -device 'virtio-blk-pci,drive=job' -device virtio-rng-pci)
            arguments+=' console=ttyS0 rig.job'
            ;;
        pi3)
            options=(qemu-system-aarch64 -machine raspi3b -dtb /rig/arm64/pi3.dtb)
            options+=(-device 'tmp105,id=tmp105,bus=i2c-bus.1,address=0x48')
            options+=(-device 'emc1413,id=emc1413,bus=i2c-bus.1,address=0x4c')
            options+=(-device 'at24c-eeprom,id=eeprom,bus=i2c-bus.1,address=0x50,rom-size=4096')
            options+=(-device 'ds1338,id=clock,bus=i2c-bus.1,address=0x68')
            options+=(-device 'dps310,id=dps310,bus=i2c-bus.1,address=0x77')
            arguments+=' console=ttyS1,115200'
            ;;
        *) die "there is no machine named $machine" "There are: virt, virt-amd64, pi3." ;;
    esac
    # What the guest writes to its disk goes to a file that nobody sees, or to its own disk as it writes it: a card has no
    # cache that the guest could flush, and QEMU keeps none, so that a guest whose QEMU is killed finds on its disk what the
    # card had told it was written, and no more.
    local place=none forgets=(snapshot=on cache=unsafe)
    [[ $machine != pi3 ]] || place=sd
    [[ -z $disk ]] || forgets=(snapshot=off cache=writeback)
    options+=(-drive "file=${disk:-/rig/$architecture/disk.img},if=$place,id=disk,format=raw,${forgets[0]},${forgets[1]}")
    if [[ $machine != pi3 ]]; then
        # The guest's clock counts instructions, two nanoseconds each, and skips the time in which nothing is done. So a job
        # measures the same on a busy machine as on an idle one: a computer of 500 million instructions a second for both
        # of its cores together, which is less than a Pi Zero 2 has. The Pi 3B talks with this machine's world, whose time
        # is the usual one.
        options+=(-icount 'shift=1,sleep=off')
    fi
    if [[ $machine != pi3 ]]; then
        # A new USB stick, for the job that wants one.
        truncate --size=256M "$machine_directory/stick.img"
        options+=(-device qemu-xhci -drive "file=$inside/stick.img,if=none,id=stick,format=raw,cache=unsafe")
        options+=(-device 'usb-storage,drive=stick,removable=on')
    fi
    if [[ -n $job ]]; then
        mv "$job" "$machine_directory/job.img"
        options+=(-drive "file=$inside/job.img,if=none,id=job,format=raw,readonly=on")
        options+=(-device virtio-serial-pci -chardev "file,id=said,path=$inside/said.log")
        options+=(-device 'virtserialport,chardev=said,name=rig.said')
    fi
    options+=(-kernel "/rig/$architecture/vmlinuz" -initrd "/rig/$architecture/initrd.gz" -append "$arguments")
    options+=(-display none -monitor none -no-reboot -serial "file:$inside/$([[ $machine == pi3 ]] && printf first || printf console).log")
    options+=(-qmp "unix:$inside/qmp,server=on,wait=off" -pidfile "$inside/pid")
    if [[ $machine == pi3 ]]; then
        # The console is the kernel's ttyS1, QEMU's second port.
        options+=(-serial "file:$inside/console.log" -qtest "unix:$inside/qtest,server=on,wait=off" -qtest-log none)
        # usb-net is the one network that both sides have. Ports of the guest are reached on this machine's loopback.
        pi_ports
        options+=(-device 'usb-net,netdev=net' -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$ssh_port-:22,hostfwd=tcp:127.0.0.1:$http_port-:8080,hostfwd=tcp:127.0.0.1:$mqtt_port-:1883")
    fi
    : >"$machine_directory/said.log"
    in_workshop timeout "$machine_limit" "${options[@]}" >"$machine_directory/qemu.log" 2>&1 &
    machine_pid=$!
}

# pi_ports: three free ports of this machine, for the guest's ssh, page and broker.
pi_ports() {
    local ports
    ports=$(in_workshop python3 /project/scripts/lib/virtual-pi/outside.py ports 3)
    read -r ssh_port http_port mqtt_port <<<"$ports"
}

# outside COMMAND ARGUMENT...: the world outside the running machine (lib/outside.py).
outside() {
    local command=$1
    shift
    in_workshop python3 /project/scripts/lib/virtual-pi/outside.py "$command" "/rig/${machine_directory##*/}" "$@"
}

# machine_follow: shows what the job says as it says it, until the machine is off, and returns the job's status.
machine_follow() {
    local follower status
    tail --pid="$machine_pid" --lines=+1 --follow "$machine_directory/said.log" 2>/dev/null | sed --unbuffered '/^RIG-/d' &
    follower=$!
    wait "$machine_pid" || true
    wait "$follower" || true
    machine_pid=''
    status=$(sed -n 's/^RIG-END \([0-9]*\).*/\1/p' "$machine_directory/said.log" | tail -n 1)
    if [[ -z $status ]]; then
        tail -n 20 "$machine_directory/console.log" "$machine_directory/qemu.log" >&2
        warn "the guest ended without an answer"
        return 1
    fi
    return "$status"
}

# machine_cut: cuts the machine's power. Of QEMU nothing is left to write what it had not yet written.
machine_cut() {
    local pid
    pid=$(cat "$machine_directory/pid" 2>/dev/null || true)
    [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
    # What waits for it ends by itself; the shell that waits is killed only where there was no QEMU yet.
    [[ -n $pid ]] || kill "$machine_pid" 2>/dev/null || true
    wait "$machine_pid" 2>/dev/null || true
    machine_pid=''
}

# machine_remove: ends the machine when it still runs, and removes its directory.
machine_remove() {
    [[ -z $machine_pid ]] || machine_cut
    [[ -z $machine_directory ]] || rm --recursive --force "$machine_directory"
    machine_directory=''
}
