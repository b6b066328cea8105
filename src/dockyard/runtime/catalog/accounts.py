"""Users and groups of a stand-in image, and the commands that add more.

The commands are ours, not this machine's: those keep the day of a password's last change in /etc/shadow, so
that a build gives another image tomorrow, and they stop where a plain user may not change an owner.
"""

import os
from pathlib import Path

from dockyard.runtime.catalog.copying import write_text

_USERS = [
    ("root", 0, 0, "/root", "/bin/sh"),
    ("daemon", 1, 1, "/usr/sbin", "/usr/sbin/nologin"),
    ("bin", 2, 2, "/bin", "/usr/sbin/nologin"),
    ("mail", 8, 8, "/var/mail", "/usr/sbin/nologin"),
    ("www-data", 33, 33, "/var/www", "/usr/sbin/nologin"),
    ("nobody", 65534, 65534, "/nonexistent", "/usr/sbin/nologin"),
]
_GROUPS = [("root", 0), ("daemon", 1), ("bin", 2), ("adm", 4), ("tty", 5), ("disk", 6), ("mail", 8),
           ("www-data", 33), ("staff", 50), ("users", 100), ("nogroup", 65534)]  # fmt: skip

_COMMAND = r"""#!/bin/sh
# useradd, groupadd, adduser and addgroup in one: as much as a Dockerfile needs of them.
set -e
command=${0##*/}
name= uid= gid= group= home= shell=/bin/sh make_home= system= groups= first=1000

fail() { echo "$command: $1" >&2; exit "${2:-1}"; }
next_id() { # the first free number in file $1 from $2 on
    n=$2
    while cut -d: -f3 "$1" | grep -qx "$n"; do n=$((n + 1)); done
    echo "$n"
}
case $command in adduser) make_home=yes ;; esac
while [ $# -gt 0 ]; do
    option=$1 value=
    case $option in
        --*=*) value=${option#*=} option=${option%%=*} ;;
        -[ugdsGc]?*) value=${option#??} option=${option%"$value"} ;;
    esac
    case $option in
        -u|--uid|-g|--gid|-d|--home|--home-dir|-s|--shell|-G|--groups|--ingroup|-p|--password|\
        -c|--comment|--gecos|-b|--base-dir|-K|-k)
            if [ -z "$value" ]; then value=$2; shift; fi ;;
    esac
    case $option in
        -u|--uid) uid=$value ;;
        -g|--gid) gid=$value ;;
        --ingroup) group=$value ;;
        -G|--groups) if [ "$command" = adduser ]; then group=$value; else groups=$value; fi ;;
        -d|--home|--home-dir) home=$value ;;
        -h) if [ "$command" = adduser ]; then home=$2; shift; fi ;;
        -s|--shell) shell=$value ;;
        -m|--create-home) make_home=yes ;;
        -M|--no-create-home|-H) make_home= ;;
        -r|--system|-S) system=yes first=100 ;;
        --group) group_too=yes ;;
        --disabled-password|--disabled-login|--quiet|-D|-N|-U|--no-user-group|--user-group) ;;
        -l|--no-log-init|-f) ;;
        --comment|--gecos|-c|-b|--base-dir|-K|-k|-p|--password) ;;
        -*) fail "unknown option $option" 2 ;;
        *) if [ -z "$name" ]; then name=$option; else groups=$option; fi ;;
    esac
    shift
done
[ -n "$name" ] || fail "no name given" 2
case $command in
    groupadd|addgroup)
        if grep -q "^$name:" /etc/group; then fail "group '$name' already exists" 9; fi
        [ -n "$gid" ] || gid=$(next_id /etc/group $first)
        echo "$name:x:$gid:" >> /etc/group
        exit 0 ;;
esac
if grep -q "^$name:" /etc/passwd; then
    [ "$command" = adduser ] && [ -n "$groups" ] || fail "user '$name' already exists" 9
else
    [ -n "$uid" ] || uid=$(next_id /etc/passwd $first)
    if cut -d: -f3 /etc/passwd | grep -qx "$uid"; then fail "UID $uid is not unique" 4; fi
    group=${group:-$gid}
    if [ -z "$group" ]; then
        gid=$uid
        if cut -d: -f3 /etc/group | grep -qx "$gid"; then gid=$(next_id /etc/group $first); fi
        echo "$name:x:$gid:" >> /etc/group
    else
        gid=$(awk -F: -v g="$group" '$1 == g || $3 == g { print $3; exit }' /etc/group)
        [ -n "$gid" ] || fail "group '$group' does not exist" 6
    fi
    home=${home:-/home/$name}
    echo "$name:x:$uid:$gid::$home:$shell" >> /etc/passwd
    if [ -n "$make_home" ] && [ ! -d "$home" ]; then
        mkdir -p "$home"
        chown "$uid:$gid" "$home" 2>/dev/null || true
    fi
fi
for one in $(echo "$groups" | tr , ' '); do
    grep -q "^$one:" /etc/group || fail "group '$one' does not exist" 6
    sed -i "s/^\($one:.*:\)\$/\1$name/; t; s/^\($one:.*\)\$/\1,$name/" /etc/group
done
"""


def write_accounts(tree: Path, extra: tuple[tuple[str, int, int, str, str], ...] = ()) -> None:
    """/etc/passwd, /etc/group, useradd, groupadd, adduser, addgroup; `extra` users get a group each."""
    users = [*_USERS, *extra]
    groups = [*_GROUPS, *((user[0], user[2]) for user in extra)]
    passwd = "".join(f"{name}:x:{uid}:{gid}:{name}:{home}:{shell}\n" for name, uid, gid, home, shell in users)
    write_text(tree, "etc/passwd", passwd)
    write_text(tree, "etc/group", "".join(f"{name}:x:{gid}:\n" for name, gid in groups))
    write_text(tree, "usr/sbin/useradd", _COMMAND, 0o755)
    for name in ("groupadd", "adduser", "addgroup"):
        os.symlink("useradd", tree / "usr/sbin" / name)
