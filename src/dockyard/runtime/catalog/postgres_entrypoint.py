"""The shell script that starts PostgreSQL in its stand-in.

Written from the documentation of the official image (https://hub.docker.com/_/postgres): the same variables,
the same order, the same texts where a person meets them.
"""

ENTRYPOINT = r"""#!/bin/sh
# Prepares the database on the first start, then becomes the server.
set -e

fail() { echo >&2 "$1"; exit 1; }

# NAME or the content of the file that NAME_FILE names, or a default.
setting() {
    eval "value=\${$1-} file=\${$1_FILE-}"
    [ -z "$value" ] || [ -z "$file" ] || fail "error: both $1 and $1_FILE are set (but are exclusive)"
    if [ -n "$file" ]; then value=$(cat "$file"); fi
    eval "$1=\${value:-\$2}"
    export "$1"
}

# PostgreSQL refuses to run as root.
become_postgres() {
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" 2>/dev/null || :
    chown -R postgres "$PGDATA" /var/run/postgresql 2>/dev/null || :
    # The group first, in a step of its own: who has given up the user may no longer be believed to be root.
    if setpriv --regid=postgres --clear-groups setpriv --reuid=postgres true 2>/dev/null; then
        exec setpriv --regid=postgres --clear-groups setpriv --reuid=postgres "$0" "$@"
    fi
    # Where there is one user only, it takes the other's number.
    if unshare --user --map-user=999 --map-group=999 true 2>/dev/null; then
        exec unshare --user --map-user=999 --map-group=999 "$0" "$@"
    fi
    fail '"root" execution of the PostgreSQL server is not permitted, and no other user can be taken on here.'
}

initialise() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        fail 'Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password. This is *not* recommended.'
    fi
    secret=$(mktemp)
    echo "$POSTGRES_PASSWORD" > "$secret"
    # Nothing is lost by not waiting for the disk here: a directory that is half done is refused, not used.
    set -- --username="$POSTGRES_USER" --pwfile="$secret" -D "$PGDATA"
    eval 'initdb --no-sync "$@" '"$POSTGRES_INITDB_ARGS"
    rm -f "$secret"
    echo >> "$PGDATA/pg_hba.conf"
    echo "host all all all $POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"

    if [ "$POSTGRES_DB" != postgres ]; then
        echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$PGDATA" -j postgres > /dev/null
        echo "CREATE DATABASE"
    fi
    if [ -n "$(ls /docker-entrypoint-initdb.d/)" ]; then run_scripts; fi
    echo
    echo "PostgreSQL init process complete; ready for start up."
    echo
}

# A server of its own, that listens on the usual Unix socket and on no address: as in the official image,
# `pg_isready` without -h takes it for the finished one.
run_scripts() {
    PGUSER=$POSTGRES_USER PGDATABASE=$POSTGRES_DB PGPASSWORD=$POSTGRES_PASSWORD
    export PGUSER PGDATABASE PGPASSWORD
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh)
                if [ -x "$script" ]; then echo "$0: running $script"; "$script"
                else echo "$0: sourcing $script"; . "$script"; fi ;;
            *.sql) echo "$0: running $script"; psql -v ON_ERROR_STOP=1 --no-psqlrc -f "$script" ;;
            *.sql.gz) echo "$0: running $script"; gunzip -c "$script" | psql -v ON_ERROR_STOP=1 --no-psqlrc ;;
            *) echo "$0: ignoring $script" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGUSER PGDATABASE PGPASSWORD
}

case ${1-} in -*|'') set -- postgres "$@" ;; esac
if [ "$1" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then become_postgres "$@"; fi
    setting POSTGRES_PASSWORD
    setting POSTGRES_USER postgres
    setting POSTGRES_DB "$POSTGRES_USER"
    setting POSTGRES_INITDB_ARGS
    setting POSTGRES_HOST_AUTH_METHOD scram-sha-256
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" 2>/dev/null || :
    if [ -s "$PGDATA/PG_VERSION" ]; then
        echo
        echo "PostgreSQL Database directory appears to contain a database; Skipping initialization"
        echo
    else
        initialise
    fi
fi
exec "$@"
"""
