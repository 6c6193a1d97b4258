#!/bin/sh
# The part of pinakad on a node: a new network configuration is on trial until it is confirmed from outside, over the
# new address and after a reboot. Where that does not come in time, or the machine is switched off and on meanwhile, the
# old configuration is put back, without anybody's help.
#
# The law: `trial/` is the only state. Without it nothing is on trial, and the configuration that lies there counts.
# It appears by one rename, complete and with a copy of everything that will be changed; from then on every way leads to
# `confirm`, which removes it, or to `restore`, which may be begun again as often as it is cut off.
#
#   push            take a configuration from stdin (tar) into incoming/, if its sha256 is that of $1
#   arm ID SECONDS ADDRESS
#                   put incoming/ on trial: 75 where one is open already
#   boot            before the network is there: count the boot; at the second one, or half armed: restore
#   tick            by the unit: the first time in a boot it is `boot`, later the timer has fired: rollback
#   confirm [ID]    by the login that came in over the new address: 0 confirmed (or nothing on trial), 75 not yet
#   rollback WHY    put the old configuration back and reboot
#   status          one line of JSON
#
# A configuration is a tree of what is to lie below /, and `paths`, the list of all that it owns (one path a line, as
# etc/netplan): what is owned and not in the tree is removed. POSIX sh, and the tools of Debian's base system.
set -eu
umask 022
ROOT=${PINAKAD_NODE_ROOT:-}
STATE=$ROOT/var/lib/pinakad-node
TRIAL=$STATE/trial
NOT_YET=75

boot_id() { cat "$ROOT/proc/sys/kernel/random/boot_id"; }
say() { printf 'pinakad-node: %s\n' "$*" >&2; }
# what the system is told to do; a test has no system of its own
system() { if [ -z "$ROOT" ]; then "$@"; else echo "$*" >>"$ROOT/system.log"; fi; }

# one agent at a time: the lock goes with the process
exec 9>"$STATE/lock"
flock -n 9 || { say "another agent is at work"; exit $NOT_YET; }

# --- trees

# Copy what is owned from one root to another; what is not there is not copied. (-a keeps owners, modes, links.)
copy_owned() { # FROM TO PATHS
    while IFS= read -r path; do
        [ -e "$1/$path" ] || [ -L "$1/$path" ] || continue
        mkdir -p "$2/$(dirname "$path")"
        cp -a "$1/$path" "$2/$path"
    done <"$3"
}

# Put a tree in place, a path at a time: the copy is made beside its place, so that only a rename is between both.
# It may be cut off anywhere and begun again: the tree itself is only read.
place_owned() { # TREE PATHS
    while IFS= read -r path; do
        place=$ROOT/$path
        rm -rf "$place.pinakad-new"
        if [ -e "$1/$path" ] || [ -L "$1/$path" ]; then
            mkdir -p "$(dirname "$place")"
            cp -a "$1/$path" "$place.pinakad-new"
            sync
            rm -rf "$place"
            mv "$place.pinakad-new" "$place"
        else
            rm -rf "$place"
        fi
    done <"$2"
    sync
}

# Every path is relative, leads nowhere else, and is one of those that a network configuration may own.
require_sound_paths() { # PATHS
    [ -s "$1" ] || { say "there is no list of paths"; exit 1; }
    while IFS= read -r path; do
        case $path in
        */../* | ../* | */.. | /* | *//* | "" | */) say "cannot own '$path'"; exit 1 ;;
        etc/netplan | etc/systemd/network | etc/network/interfaces | etc/network/interfaces.d | etc/hostname | etc/hosts) ;;
        etc/resolv.conf | etc/cloud/cloud.cfg.d/99-pinakad.cfg) ;;
        etc/systemd/system/multi-user.target.wants/* | etc/systemd/system/network-online.target.wants/*) ;;
        etc/systemd/system/sockets.target.wants/systemd-networkd.socket | etc/systemd/system/dbus-org.freedesktop.network1.service) ;;
        *) say "cannot own '$path': it is no part of a network configuration"; exit 1 ;;
        esac
    done <"$1"
}

# --- commands

push() { # SHA256
    rm -rf "$STATE/incoming.new" "$STATE/incoming"
    mkdir -p "$STATE/incoming.new"
    cat >"$STATE/incoming.new/tar"
    echo "$1  $STATE/incoming.new/tar" | sha256sum --check --status || { say "what came is not what was sent"; exit 1; }
    mkdir "$STATE/incoming.new/tree"
    tar -xf "$STATE/incoming.new/tar" -C "$STATE/incoming.new/tree" --no-same-owner
    rm "$STATE/incoming.new/tar"
    mv "$STATE/incoming.new/tree/paths" "$STATE/incoming.new/paths"
    require_sound_paths "$STATE/incoming.new/paths"
    printf '%s\n' "$1" >"$STATE/incoming.new/sha256"
    sync
    mv "$STATE/incoming.new" "$STATE/incoming"
}

arm() { # ID SECONDS ADDRESS
    [ ! -e "$TRIAL" ] || { say "trial $(cat "$TRIAL/id") is open"; exit $NOT_YET; }
    [ -d "$STATE/incoming" ] || { say "nothing was pushed"; exit 1; }
    case $2 in '' | *[!0-9]*) say "'$2' is no number of seconds"; exit 1 ;; esac
    rm -rf "$STATE/trial.new"
    mkdir "$STATE/trial.new" "$STATE/trial.new/old"
    cp -a "$STATE/incoming/." "$STATE/trial.new/"
    copy_owned "$ROOT" "$STATE/trial.new/old" "$STATE/trial.new/paths"
    printf '%s\n' "$1" >"$STATE/trial.new/id"
    printf '%s\n' "$3" >"$STATE/trial.new/address"
    boot_id >"$STATE/trial.new/armed_boot_id"
    printf '%s\n' "$2" >"$STATE/trial.new/seconds"
    printf '0\n' >"$STATE/trial.new/boots"
    sync
    mv "$STATE/trial.new" "$TRIAL"
    sync
    deadline "$2"
    place_owned "$TRIAL/tree" "$TRIAL/paths"
    : >"$TRIAL/placed"
    sync
}

# The timer ends the trial; it counts from now, and from each boot.
deadline() { # SECONDS
    mkdir -p "$ROOT/etc/systemd/system/pinakad-node.timer.d"
    printf '[Timer]\nOnActiveSec=%s\n' "$1" >"$ROOT/etc/systemd/system/pinakad-node.timer.d/deadline.conf"
    sync
    system systemctl daemon-reload
    system systemctl restart pinakad-node.timer
}

boot() {
    [ -e "$TRIAL" ] || return 0
    [ "$(boot_id)" != "$(cat "$TRIAL/armed_boot_id")" ] || return 0
    boots=$(($(cat "$TRIAL/boots") + 1))
    printf '%s\n' "$boots" >"$TRIAL/boots.new"
    sync
    mv "$TRIAL/boots.new" "$TRIAL/boots"
    sync
    if [ ! -e "$TRIAL/placed" ]; then
        restore "it was cut off while it was being put in place"
    elif [ -e "$TRIAL/why" ]; then
        restore "$(cat "$TRIAL/why")"
    elif [ "$boots" -gt 1 ]; then
        restore "the machine was booted again before the new network was confirmed"
    else
        system systemctl start --no-block pinakad-node.timer # it counts from now
    fi
}

tick() {
    if [ ! -e "$ROOT/run/pinakad-node.booted" ] && [ "$(boot_id)" != "$(cat "$TRIAL/armed_boot_id" 2>/dev/null)" ]; then
        : >"$ROOT/run/pinakad-node.booted"
        boot
    else
        rollback "the new network was not confirmed within $(cat "$TRIAL/seconds" 2>/dev/null) s"
    fi
}

confirm() { # [ID]
    [ -e "$TRIAL" ] || return 0
    [ -z "${1:-}" ] || [ "$1" = "$(cat "$TRIAL/id")" ] || { say "trial $(cat "$TRIAL/id") is open, not $1"; exit $NOT_YET; }
    [ -e "$TRIAL/placed" ] && [ ! -e "$TRIAL/why" ] || { say "the old configuration is being put back"; exit $NOT_YET; }
    [ "$(boot_id)" != "$(cat "$TRIAL/armed_boot_id")" ] || { say "it has not rebooted yet"; exit $NOT_YET; }
    [ "$(came_in_over)" = "$(cat "$TRIAL/address")" ] || { say "this login came in over another address"; exit $NOT_YET; }
    rm -rf "$STATE/last.old"
    [ ! -e "$STATE/last" ] || mv "$STATE/last" "$STATE/last.old"
    sync
    mv "$TRIAL" "$STATE/last"
    sync
    system systemctl stop pinakad-node.timer
    rm -rf "$STATE/last.old" "$STATE/incoming" "$STATE/evidence"
}

# The address of ours that the SSH connection goes to: sudo takes $SSH_CONNECTION away, its ancestors still have it.
came_in_over() {
    if [ -n "${SSH_CONNECTION:-}" ]; then echo "$SSH_CONNECTION" | cut -d' ' -f3; return; fi
    pid=$$
    while [ "$pid" -gt 1 ]; do
        found=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p' | cut -d' ' -f3)
        [ -z "$found" ] || { echo "$found"; return; }
        pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
        [ -n "$pid" ] || return 0
    done
}

rollback() { # WHY
    [ -e "$TRIAL" ] || return 0
    printf '%s\n' "$1" >"$TRIAL/why"
    sync
    restore "$1"
    system systemctl reboot
}

# The old configuration, then the end of the trial. What did not work is kept as evidence, with the reason.
restore() { # WHY
    place_owned "$TRIAL/old" "$TRIAL/paths"
    printf '%s\n' "$1" >"$TRIAL/why"
    date -u +%Y-%m-%dT%H:%M:%SZ >"$TRIAL/rolled_back_at"
    sync
    rm -rf "$STATE/evidence"
    mv "$TRIAL" "$STATE/evidence"
    sync
    system systemctl stop --no-block pinakad-node.timer
    say "rolled back: $1"
}

status() {
    state=none id='' why='' at='' sha=''
    if [ -e "$TRIAL" ]; then state=trial; id=$(cat "$TRIAL/id")
    elif [ -e "$STATE/evidence" ]; then
        state=rolled_back id=$(cat "$STATE/evidence/id") why=$(cat "$STATE/evidence/why")
        at=$(cat "$STATE/evidence/rolled_back_at")
    elif [ -e "$STATE/last" ]; then state=confirmed; id=$(cat "$STATE/last/id"); fi
    [ ! -e "$STATE/last" ] || sha=$(cat "$STATE/last/sha256")
    printf '{"state": "%s", "id": "%s", "why": "%s", "at": "%s", "confirmed_sha256": "%s"}\n' "$state" "$id" "$why" "$at" "$sha"
}

command=${1:-status}
[ $# -eq 0 ] || shift
case $command in
push | arm | boot | tick | confirm | rollback | status) "$command" "$@" ;;
*) say "there is no command '$command'"; exit 2 ;;
esac
