# A Raspberry Pi's boot partition, and the check-up with what mends: from the terminal and from the page. Sourced in the guest.
# shellcheck shell=bash
# shellcheck disable=SC2154 # page is set by lib/gatehouse.sh

# dmsetup makes its devices itself, and waits for no rule of udev.
export DM_DISABLE_UDEV=1

firmware=/boot/firmware
boot_image=/var/tmp/boot.img
# What the files say before anything is mended.
original=/var/tmp/original

# boot_make: a boot partition as a card for a Raspberry Pi has one, with the files of Raspberry Pi OS, mounted where it is there. The
# device is one that can be cut off.
boot_make() {
    mkdir -p "$firmware" "$original"
    cat >"$original/config.txt" <<'T'
# For more options and information see
# http://rptl.io/configtxt
# Some settings may impact device functionality. See link above for details

# Uncomment some or all of these to enable the optional hardware interfaces
#dtparam=i2c_arm=on
#dtparam=i2s=on
#dtparam=spi=on

# Enable audio (loads snd_bcm2835)
dtparam=audio=on
camera_auto_detect=1
dtoverlay=vc4-kms-v3d
arm_64bit=1

[cm4]
otg_mode=1

[cm5]
dtoverlay=dwc2,dr_mode=host

[all]
T
    printf 'console=serial0,115200 console=tty1 root=PARTUUID=4d3ee428-02 rootfstype=ext4 fsck.repair=yes rootwait\n' \
        >"$original/cmdline.txt"
    head --bytes=70000 /dev/urandom >"$original/bcm2711-rpi-4-b.dtb"
    truncate --size=40M "$boot_image"
    mkfs.vfat -F 32 -s 1 -n bootfs "$boot_image" >/dev/null 2>&1 && boot_device && mount /dev/mapper/boot "$firmware" && boot_files
}

# boot_device: shows the image as a device, which takes as long for each write as a card does.
boot_device() {
    local loop
    loop=$(losetup --find --show "$boot_image") || return 1
    modprobe dm-delay
    boot_table="0 $(blockdev --getsz "$loop") delay $loop 0 0 $loop 0 10"
    dmsetup create boot --table "$boot_table"
}

# boot_files: puts the files back as they were at first.
boot_files() {
    rm -f "$firmware"/*
    cp "$original"/* "$firmware/"
    sync --file-system "$firmware"
}

# boot_cut_ready: gets ready what boot_cut does, which is quick then.
boot_cut_ready() { dmsetup load boot --table "0 $(cut --delimiter=' ' --fields=2 <<<"$boot_table") error"; }

# boot_cut: from now on nothing is written to the partition any more, whatever is under way.
boot_cut() { dmsetup suspend --noflush --nolockfs boot && dmsetup resume boot; }

# boot_again: what the partition is after the cut, at the next start of the machine. $1 is "checked" where the system checks it first,
# as Raspberry Pi OS does.
boot_again() {
    umount "$firmware"
    # What could not be written is not written later either.
    blockdev --flushbufs /dev/mapper/boot 2>/dev/null
    dmsetup load boot --table "$boot_table" && dmsetup suspend boot && dmsetup resume boot
    [[ ${1:-} != checked ]] || fsck.vfat -a /dev/mapper/boot >/run/fsck.log 2>&1
    mount /dev/mapper/boot "$firmware"
}

# boot_remove: takes all of it away.
boot_remove() {
    umount "$firmware"
    dmsetup remove boot
    losetup --detach-all
    rm -rf "$boot_image" "$original"
}

# page_json PATH JSON: asks the page for something.
page_json() { curl --silent --cookie /run/cookies --header 'content-type: application/json' --data "$2" "$page$1"; }

# named KIND [WORD]: whether both the check-up at the terminal and that of the page name it, with this word for the mend.
named() { terminal_names "$@" && page_names "$@"; }
terminal_names() { gatehouse doctor --json 2>/dev/null | finds "$@"; }
page_names() { curl --silent --fail --cookie /run/cookies "$page/api/v1/doctor" | finds "$@"; }
finds() {
    jq --exit-status --arg kind "$1" --arg word "${2:-}" \
        '[.findings[] | select(.kind == $kind and ($word == "" or .mend.word == $word))] | length == 1' >/dev/null
}

# mend HOW WORD: mends from the page or from the terminal; the answer is in /run/mended.
mend() {
    case $1 in
        page)
            # The socket gives ten a minute to whoever asks again and again. In a guest whose time is counted, waiting costs none.
            sleep 7
            page_json /api/v1/doctor/mend "{\"word\":\"$2\"}" >/run/mended
            jq --exit-status 'has("done")' /run/mended >/dev/null
            ;;
        terminal) gatehouse doctor --mend "$2" --yes >/run/mended 2>&1 </dev/null ;;
    esac || { figure "$(cat /run/mended)"; return 1; }
}

# mended_nothing HOW: whether the answer says that there was nothing to do.
mended_nothing() {
    case $1 in
        page) jq --exit-status '.done == []' /run/mended >/dev/null ;;
        terminal) grep --quiet 'Nothing has to be done' /run/mended ;;
    esac
}

# wants_restart HOW WHAT: whether the answer asks for a restart of the gateway or the machine, or for nothing.
wants_restart() {
    case $1:$2 in
        page:*) jq --exit-status --arg what "$2" '.restart == $what' /run/mended >/dev/null ;;
        terminal:machine) grep --quiet 'sudo reboot' /run/mended ;;
        terminal:gateway) grep --quiet 'systemctl restart gatehouse' /run/mended ;;
        terminal:nothing) ! grep --quiet --ignore-case '^Restart' /run/mended ;;
    esac
}

# block_is LINE...: whether config.txt is as it was at first, a blank line, and the block of the gateway with these lines.
block_is() {
    cat "$original/config.txt" - <<T | cmp - "$firmware/config.txt"

# >>> gatehouse: buses >>>
# Written by \`gatehouse doctor --mend\`, which replaces this block and nothing else.
[all]
$(printf '%s\n' "$@")
# <<< gatehouse: buses <<<
T
}

# boot_has NAME...: whether just these files lie there, and those that no mend is about are as they were.
boot_has() {
    [[ $(find "$firmware" -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ') == "$* " ]] &&
        cmp "$original/bcm2711-rpi-4-b.dtb" "$firmware/bcm2711-rpi-4-b.dtb"
}

# ask_helper USER WORD [SECONDS]: what the helper answers to this user, who takes so long to end the line.
ask_helper() {
    # shellcheck disable=SC2016 # perl's own variables
    setpriv --reuid="$1" --regid="$(id --group "$1")" --init-groups perl -MIO::Socket::UNIX -e '
        my $helper = IO::Socket::UNIX->new($ARGV[0]) or die "$!\n";
        print $helper $ARGV[1]; $helper->flush; sleep $ARGV[2]; print $helper "\n"; $helper->shutdown(1); print <$helper>' \
        /run/gatehouse-mend.sock "$2" "${3:-0}" 2>&1
}
