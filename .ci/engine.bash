# Sourced by .ci/run: a real Docker Engine without systemd, and the image that is like Binder's.
#
# Uses from there: $work, retry, install.

# The first Debian release whose docker.io speaks the API version that today's clients want (1.44 and later).
engine_release=trixie

start_engine() { # sets DOCKER_HOST to an engine: the machine's own, or one of ours that lives until the end
    local lock status=0
    exec {lock}>"$work/engine.lock" # stages that run side by side share it
    flock "$lock"
    find_or_start_engine {lock}>&- || status=$?
    flock --unlock "$lock"
    exec {lock}>&-
    return "$status"
}

find_or_start_engine() {
    local known=$work/engine-host
    if [[ -f $known ]]; then
        DOCKER_HOST=$(cat "$known")
        export DOCKER_HOST
        return
    fi
    if command -v docker >/dev/null && docker version >/dev/null 2>&1; then
        echo "using the Docker Engine that runs on this machine"
        export DOCKER_HOST=unix:///var/run/docker.sock
    else
        install debootstrap iptables docker.io procps
        command -v docker >/dev/null || install docker-cli # a package of its own in newer releases
        newer_engine || own_engine
    fi
    echo "$DOCKER_HOST" >"$known"
    docker version --format 'Docker Engine {{.Server.Version}}, API {{.Server.APIVersion}}'
}

mirror() { # this machine's own mirror of its distribution
    apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(CREATED_BY)' |
        awk '$2 == "main" && $3 == "Packages" { print $1; exit }'
}

# A newer release's engine in a mount namespace of its own: Debian 12 has 20.10 only, and dockerd wants a real root.
newer_engine() {
    local root=$work/engine-root
    [[ $(. /etc/os-release && echo "$ID $VERSION_CODENAME") == "debian bookworm" ]] || return 1
    retry debootstrap --variant=minbase --include=docker.io,iptables,ca-certificates,procps \
        "$engine_release" "$root" "$(mirror)" >"$work/engine-debootstrap.log" 2>&1 || return 1
    export DOCKER_HOST=unix://$root/run/docker.sock
    # shellcheck disable=SC2016
    setsid nice -n 5 unshare --mount bash -ec '
        root=$1 work=$2
        mount --make-rprivate /
        mount --bind "$root" "$root"
        for directory in proc sys dev; do mount --rbind "/$directory" "$root/$directory"; done
        mkdir -p "$root$work" "$root/old"
        mount --rbind "$work" "$root$work"
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        cd "$root"
        pivot_root . old
        umount -l /old
        exec dockerd --host unix:///run/docker.sock --data-root /var/lib/docker
    ' bash "$root" "$work" >"$work/engine.log" 2>&1 &
    wait_for_engine $!
}

# The engine of this machine's release; the best options first, the later ones do without iptables or overlay.
own_engine() {
    local options
    export DOCKER_HOST=unix://$work/docker.sock
    for options in "--storage-driver=overlay2" "--iptables=false --storage-driver=overlay2" \
        "--iptables=false --bridge=none --storage-driver=vfs"; do
        rm -rf "$work/engine" "$work/engine-exec"
        # shellcheck disable=SC2086
        setsid dockerd $options --data-root "$work/engine" --exec-root "$work/engine-exec" \
            --host "$DOCKER_HOST" >"$work/engine.log" 2>&1 &
        wait_for_engine $! && return
    done
    tail -20 "$work/engine.log"
    return 1
}

wait_for_engine() { # wait_for_engine PID: until it answers (0), or died or stays silent (1)
    local process=$1
    echo "$process" >"$work/engine.pid"
    for _ in $(seq 80); do
        docker version >/dev/null 2>&1 && return 0
        kill -0 "$process" 2>/dev/null || return 1
        sleep 0.25
    done
    kill "$process" 2>/dev/null || true
    return 1
}

stop_engine() {
    [[ -f $work/engine.pid ]] || return 0
    local process
    process=$(cat "$work/engine.pid")
    kill "$process" 2>/dev/null || return 0
    for _ in $(seq 60); do
        kill -0 "$process" 2>/dev/null || return 0
        sleep 0.25
    done
    return 1
}

binder_image() { # the image dockyard-binder-like, from Debian packages
    docker image inspect dockyard-binder-like >/dev/null 2>&1 && return
    install debootstrap
    local root=$work/binder-root
    rm -rf "$root"
    retry debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,procps,git \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" "$(mirror)" >"$work/debootstrap.log" 2>&1 ||
        { tail -5 "$work/debootstrap.log"; return 1; }
    chroot "$root" useradd --create-home --uid 1000 jovyan
    tar -C "$root" -c . |
        docker import --change 'ENV LANG=C.UTF-8' --change 'CMD ["bash"]' - dockyard-binder-like
    rm -rf "$root"
}
