# The guests' system: Debian 12 with its own kernel, the rigs' kernel modules, and a disk image. Sourced.
#
# Each part is kept in the cache, below its architecture, and made again when what it is made from has changed.
# shellcheck shell=bash
# shellcheck source=scripts/lib/virtual-pi/workshop.sh
source "${BASH_SOURCE[0]%/*}/workshop.sh"

rig_sources=scripts/lib/virtual-pi

# What the guests have beside a minimal Debian: systemd and udev as on a Pi, and what the jobs look with. Not the groups
# and udev rules of Raspberry Pi OS: the package has to bring what stock Debian lacks.
guest_packages=(
    systemd systemd-sysv udev dbus iproute2 kmod procps e2fsprogs adduser ca-certificates openssh-server
    i2c-tools gpiod mosquitto-clients curl jq
    mosquitto fdisk dosfstools exfatprogs dmsetup
)
# Kernel modules of the guests, with all that they need. A path is a directory with everything in it.
guest_modules=(
    ext4 vfat exfat nls_ascii nls_cp437 nls_utf8 loop dm-delay overlay autofs4 configfs nf_tables
    virtio_blk virtio_net virtio_mmio virtio_pci virtio_rng virtio_console xhci-pci sd_mod usb-storage cdc_ether rndis_host cdc_subset
    i2c-dev i2c-gpio
    drivers/w1 drivers/hwmon drivers/iio drivers/i2c drivers/rtc drivers/misc/eeprom
)
# Those of the Pi 3B's own chips.
pi_modules=(bcm2835 sdhci_iproc sdhci i2c-bcm2835 spi-bcm2835 spi-bcm2835aux dwc2 pwm-bcm2835 bcm2835_wdt bcm2835_thermal bcm2835-rng)
# Those that reach the root disk, for the initial memory file system.
disk_modules=(ext4 crc32c_generic libcrc32c virtio_blk virtio_mmio virtio_pci)
pi_disk_modules=(bcm2835 sdhci_iproc mmc_block)

# part NAME DIGEST COMMAND...: makes a part of the system, unless it is there and was made from the same.
part() {
    local name=$1 digest=$2 stamp=$rig_cache/$architecture/$1.stamp
    shift 2
    [[ $(cat "$stamp" 2>/dev/null) != "$digest" ]] || return 0
    say "Making the $architecture guest's $name"
    rm --force "$stamp"
    "$@"
    printf '%s\n' "$digest" >"$stamp"
}

# digest_of TEXT...: a digest over texts, and over the contents of those that are files.
digest_of() {
    local text
    for text in "$@"; do
        if [[ -f $text ]]; then cat "$text"; else printf '%s\n' "$text"; fi
    done | sha256sum | cut -d ' ' -f 1
}

# need_system ARCHITECTURE: makes the guests' system of amd64 or arm64.
need_system() {
    architecture=$1
    need_workshop
    mkdir -p "$rig_cache/$architecture"
    local root kernel modules image
    root=$(digest_of "$release" "${guest_packages[@]}")
    part root "$root" make_root
    kernel=$(digest_of "$release" kernel)
    part kernel "$kernel" make_kernel
    modules=$(digest_of "$kernel" "$rig_sources"/modules/*)
    part modules "$modules" make_modules
    image=$(digest_of "$root" "$modules" "${guest_modules[@]}" "${pi_modules[@]}" "$rig_sources/system.sh" \
        "$rig_sources/make-image" "$rig_sources"/guest/*)
    part image "$image" make_image
}

# make_root: a minimal Debian as a tar file, of the guest's architecture.
make_root() {
    note "one minute for amd64, three to five for arm64, whose package scripts run under emulation"
    workshop_sources | in_workshop mmdebstrap --quiet --mode=root --format=tar --variant=minbase --architectures="$architecture" \
        --include="$(
            IFS=,
            printf '%s' "${guest_packages[*]}"
        )" "$release" "$architecture/root.tar.part" - >&2 ||
        die "the guest's system was not made" "The message is above. It needs the mirror that apt uses."
    mv "$rig_cache/$architecture/root.tar.part" "$rig_cache/$architecture/root.tar"
}

# make_kernel: Debian's kernel, its headers, and the few of its sources that Debian does not build.
make_kernel() {
    in_workshop /project/scripts/lib/virtual-pi/fetch-kernel "$architecture" >&2 ||
        die "the kernel was not fetched" "The message is above."
}

# make_modules: the rigs' own modules, and gpio-sim of that kernel's source.
make_modules() {
    in_workshop /project/scripts/lib/virtual-pi/build-modules "$architecture" >&2 ||
        die "the kernel modules were not built" "The message is above."
}

# make_image: the disk image, the initial memory file system, and the device trees.
make_image() {
    local pi=() pi_disk=()
    if [[ $architecture == arm64 ]]; then
        pi=("${pi_modules[@]}") pi_disk=("${pi_disk_modules[@]}")
    fi
    in_workshop env modules="${guest_modules[*]} ${pi[*]}" disk_modules="${disk_modules[*]} ${pi_disk[*]}" \
        /project/scripts/lib/virtual-pi/make-image "$architecture" >&2 ||
        die "the disk image was not made" "The message is above."
}
