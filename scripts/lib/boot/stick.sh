# Backups that make themselves on a stick, as docs/backup.md has them set up: the stick is a disk of its own, which comes and goes
# while the service runs in its narrow view of the machine. Sourced.
# shellcheck shell=bash
# shellcheck source=scripts/lib/boot/facts.sh
source "${BASH_SOURCE[0]%/*}/facts.sh"

# The file with the stick's content, and the device that shows it.
stick_image='' stick=''
# Seconds within which the gateway looks at the folder once, with room for the backup itself.
stick_look=100

# stick_make: makes a stick that is formatted as those that are bought; where this kernel has no FAT, as the card is.
# shellcheck disable=SC2154 # root is set by clean-root.sh
stick_make() {
    local number
    stick_image=$(mktemp)
    truncate --size=64M "$stick_image"
    stick=$(as_root losetup --find --show "$stick_image") || die "there is no loop device for the stick" "See losetup --list."
    number=${stick#/dev/loop}
    as_root mknod "$root/stick" b 7 "$number"
    if grep --quiet --word-regexp vfat /proc/filesystems; then
        need_command mkfs.vfat "formats the stick" dosfstools
        as_root mkfs.vfat -n BACKUP "$stick" >/dev/null
    else
        warn "this machine's kernel has no FAT: the stick has ext4, whose owner is not one of the mount"
        as_root mkfs.ext4 -q -L BACKUP "$stick"
    fi
    in_box mkdir --parents /media/backup
}

# stick_in, stick_out: mounts it and takes it away.
stick_in() {
    if grep --quiet --word-regexp vfat /proc/filesystems; then
        in_box mount -t vfat -o uid=gatehouse,gid=gatehouse,umask=0077,nosuid,nodev,noexec /stick /media/backup
        in_box mkdir --parents /media/backup/gatehouse
    else
        in_box mount -o nosuid,nodev,noexec /stick /media/backup
        in_box install --directory --owner=gatehouse --group=gatehouse --mode=0700 /media/backup/gatehouse
    fi
}
stick_out() { in_box umount /media/backup; }

# stick_remove: what is left of it on this machine.
stick_remove() {
    [[ -z $stick ]] || as_root losetup --detach "$stick" || true
    [[ -z $stick_image ]] || rm --force "$stick_image"
    stick='' stick_image=''
}

# has_backup: whether a whole one lies on the stick, encrypted.
has_backup() {
    # shellcheck disable=SC2016 # expanded in the box
    in_box sh -c 'for file in /media/backup/gatehouse/gatehouse-*.tar.age; do
        head -c 18 "$file" 2>/dev/null | grep -q "^age-encryption.org" && exit 0; done; exit 1'
}
# shellcheck disable=SC2016 # expanded in the box
forget_backups() { in_box sh -c 'rm -f /media/backup/gatehouse/*.tar.age'; }

step_boot_stick() {
    local begun configuration=/etc/gatehouse/gatehouse.toml
    stick_make
    in_box cp --archive $configuration /root/before-the-stick.toml
    # A backup is named after the time, so somebody has to vouch for the clock.
    in_box mkdir --parents /run/systemd/timesync
    in_box touch /run/systemd/timesync/synchronized
    in_box sh -c "printf '\n[backup]\nfolder = \"/media/backup/gatehouse\"\npassphrase_file = \"/etc/gatehouse/backup-passphrase\"\n' \
        >>$configuration && echo 'a passphrase for the stick' | install -o gatehouse -g gatehouse -m 600 /dev/stdin \
        /etc/gatehouse/backup-passphrase"
    stick_in
    in_box systemctl restart gatehouse.service
    expect "a stick that the unit does not name may not be written, and the page says what lets it" \
        soon $stick_look warns backup_failing ReadWritePaths=-/media/backup
    drop_in gatehouse.service '[Service]
ReadWritePaths=-/media/backup'
    begun=$(milliseconds)
    in_box systemctl restart gatehouse.service
    expect "with the line in its unit, a backup is made on the stick" soon $stick_look has_backup
    note "after $(($(milliseconds) - begun)) ms: $(in_box ls /media/backup/gatehouse)"
    expect "the page has nothing to complain of" soon $stick_look healthy ok
    stick_out
    expect "once the stick is out the page tells of it" soon $stick_look warns backup_failing
    refuse "nothing is written to the card in its place" in_box test -e /media/backup/gatehouse
    stick_in
    forget_backups
    expect "the same stick again gets the next backup" soon $stick_look has_backup
    stick_out
    in_box systemctl restart gatehouse.service
    expect "the gateway starts without the stick" active
    stick_in
    forget_backups
    expect "which gets its backup when it comes later" soon $stick_look has_backup
    expect "and the page has nothing to complain of" soon $stick_look healthy ok
    expect "gatehouse backup --passphrase-file writes there too" quietly in_box gatehouse backup \
        --passphrase-file /etc/gatehouse/backup-passphrase /media/backup/gatehouse/by-hand.tar.age
    in_box mv /root/before-the-stick.toml $configuration
    in_box rm /etc/gatehouse/backup-passphrase
    drop_out gatehouse.service
    in_box systemctl restart gatehouse.service
    stick_out
    stick_remove
    in_box rm --recursive /run/systemd/timesync
    expect "nothing has failed" nothing_failed
}
