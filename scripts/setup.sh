#!/usr/bin/env bash
# Makes a checkout ready: Node dependencies, the build, and a nats-server.
#
# It may run any number of times and does only what is missing. It says one line per thing that it did, and ends
# with one line that starts with `setup:`; what is wrong is one line too, with exit 2. It needs no root: a
# nats-server that the system lacks is unpacked into .tools/, and nothing outside the checkout changes.
#
# With --peers it also gets what `belfry bench fanout` compares with and nothing else needs: a redis-server from the
# PATH, or the distribution's unpacked into .tools/, with the libraries that the system lacks.
#
# The nats-server that serves is the first of these that is new enough, and `belfry dev` looks in the same order:
#   $BELFRY_NATS_SERVER (its path), the PATH, /usr/sbin, .tools/bin/nats-server
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NATS_VERSION_MIN=2.10.27
readonly GLIBC_VERSION_MIN=2.27
readonly TOOLS=.tools
work=''
trap 'if [ -n "$work" ]; then rm -rf "$work"; fi' EXIT

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 2
}

# True when version $1 is at least version $2. Suffixes such as -1+b3 do not count.
at_least() {
  awk -v have="$1" -v want="$2" 'BEGIN {
    split(have, h, /[^0-9]+/); split(want, w, /[^0-9]+/)
    for (i = 1; i <= 3; i++) { if (h[i] + 0 > w[i] + 0) exit 0; if (h[i] + 0 < w[i] + 0) exit 1 }
    exit 0 }'
}

peers=no
for argument in "$@"; do
  [ "$argument" = --peers ] || die "unknown argument $argument; usage: ./scripts/setup.sh [--peers]"
  peers=yes
done

# --- Node -----------------------------------------------------------------------------------------------------------

# uWebSockets.js comes as binaries: for Node 20 to 22, and on Linux for glibc only.
check_node() {
  command -v node >/dev/null && command -v npm >/dev/null || die 'Node.js 20 or 22 with npm is needed; neither is on the PATH'
  local version platform glibc
  read -r version platform glibc < <(node -p '
    const glibc = process.platform === "linux" ? process.report.getReport().header.glibcVersionRuntime ?? "none" : "-";
    [process.versions.node, process.platform + "-" + process.arch, glibc].join(" ")')
  case "$version" in
    20.* | 21.* | 22.*) ;;
    *) die "Node.js $version will not do: uWebSockets.js has binaries for Node.js 20 to 22" ;;
  esac
  case "$platform" in
    linux-x64 | linux-arm64 | darwin-x64 | darwin-arm64) ;;
    *) die "$platform will not do: uWebSockets.js is used on Linux and macOS, on x64 and arm64" ;;
  esac
  [ "$glibc" != none ] || die 'this libc will not do: uWebSockets.js has binaries for glibc only (not for musl, as in Alpine)'
  [ "$glibc" = - ] || at_least "$glibc" "$GLIBC_VERSION_MIN" ||
    die "glibc $glibc is too old: uWebSockets.js needs $GLIBC_VERSION_MIN or newer"
  node_version=$version
}

install_dependencies() {
  local stamp=node_modules/.belfry-stamp want log
  want="$(cksum <package-lock.json) node ${node_version%%.*}"
  [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ] || return 0
  log=$(mktemp)
  # `npm ci` refuses a lock that lacks optional packages of other platforms, which some mirrors do not serve.
  if ! npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1 &&
    ! npm install --no-save --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    die 'the dependencies could not be installed; is the package registry reachable?'
  fi
  rm -f "$log"
  node --input-type=module -e 'await import("uWebSockets.js")' 2>/dev/null ||
    die "uWebSockets.js does not load in Node.js $node_version here; use Node.js 20 or 22 on glibc or macOS"
  printf '%s' "$want" >"$stamp"
  say 'dependencies installed'
}

build() {
  [ -f bin/belfry.ts ] || return 0
  local built=dist/bin/belfry.js folders=() folder
  for folder in platform protocol broker cluster actors webapp transport client bin bench; do
    [ ! -d "$folder" ] || folders+=("$folder")
  done
  if [ -x "$built" ] &&
    [ -z "$(find "${folders[@]}" package-lock.json tsconfig.json tsconfig.build.json \
      \( -name '*.ts' -o -name '*.json' \) -newer "$built" -print | head -n 1)" ]; then
    return 0
  fi
  npm run --silent build || die 'the build failed (above)'
  say 'built'
}

# --- nats-server ----------------------------------------------------------------------------------------------------

# Prints the version of the nats-server at $1; fails when it does not run.
nats_version() {
  "$1" --version 2>/dev/null | sed -n 's/^nats-server: v\{0,1\}\([0-9][0-9.]*\).*/\1/p' | grep .
}

# Sets nats_server and nats_server_version to the first one that is new enough; remembers the newest that is not.
find_nats_server() {
  local candidate version
  nats_too_old=''
  for candidate in "${BELFRY_NATS_SERVER:-}" "$(command -v nats-server || true)" /usr/sbin/nats-server "$TOOLS/bin/nats-server"; do
    [ -n "$candidate" ] && [ -x "$candidate" ] && version=$(nats_version "$candidate") || continue
    if at_least "$version" "$NATS_VERSION_MIN"; then
      nats_server=$candidate nats_server_version=$version
      return 0
    fi
    nats_too_old="$candidate is $version"
  done
  return 1
}

# apt-get with lists and cache of its own, so that neither root nor the system's state is involved. Signatures are
# checked as ever, against the machine's own keys.
private_apt() {
  apt-get -qq \
    -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User="$(id -un)" \
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Acquire::Languages=none -o Acquire::Retries=2 -o APT::Update::Error-Mode=any "$@"
}

make_work_folder() {
  [ -n "$work" ] || work=$(mktemp -d)
}

# Prints this machine's own mirror: the site from which its release's main packages come.
apt_site() {
  local codename=$1
  apt-get indextargets --no-release-info --format '$(SITE) $(RELEASE) $(COMPONENT)' 2>/dev/null |
    awk -v release="$codename" '$2 == release && $3 == "main" { print $1; exit }'
}

# Unpacks the .deb in the folder $1 into .tools/ and keeps it when its nats-server runs and is new enough.
unpack_deb() {
  local version
  rm -rf "$work/root"
  dpkg -x "$1"/nats-server_*.deb "$work/root"
  version=$(nats_version "$work/root/usr/sbin/nats-server") && at_least "$version" "$NATS_VERSION_MIN" || return 1
  mkdir -p "$TOOLS/usr/sbin" "$TOOLS/bin"
  mv -f "$work/root/usr/sbin/nats-server" "$TOOLS/usr/sbin/nats-server"
  ln -sfn ../usr/sbin/nats-server "$TOOLS/bin/nats-server"
}

# The distribution's own package, where the lists say that it is new enough.
from_this_release() {
  local candidate
  candidate=$(apt-cache policy nats-server 2>/dev/null | awk '$1 == "Candidate:" { print $2 }')
  at_least "${candidate:-0}" "$NATS_VERSION_MIN" || return 1
  mkdir -p "$work/own"
  (cd "$work/own" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download nats-server) >"$work/log" 2>&1 || return 1
  unpack_deb "$work/own"
}

# Reads the lists of the release $1 ($3: its component) from the mirror $2, for private_apt.
read_lists() {
  local release=$1 site=$2 component=$3 keyring signed_by=''
  for keyring in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/ubuntu-archive-keyring.gpg; do
    if [ -r "$keyring" ] && [[ $keyring == *"/$distribution-"* ]]; then signed_by="[signed-by=$keyring] "; fi
  done
  rm -rf "$work/lists" "$work/cache" "$work/new"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/new"
  printf 'deb %s%s %s %s\n' "$signed_by" "$site" "$release" "$component" >"$work/sources.list"
  private_apt update >"$work/log" 2>&1
}

# The nats-server package of the release $1 ($3: its component), from the mirror $2.
from_release() {
  read_lists "$@" || return 1
  (cd "$work/new" && private_apt download nats-server) >>"$work/log" 2>&1 || return 1
  unpack_deb "$work/new"
}

read_os_release() {
  distribution=$(. /etc/os-release && printf '%s' "${ID:-}")
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
}

from_apt() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ -r /etc/os-release ] || return 1
  local site releases component release
  read_os_release
  case "$distribution" in
    # `stable` is the newest stable release, whichever that is by now.
    debian) releases=stable component=main ;;
    # Ubuntu has no such alias. The long-term releases come first; the machine's own has been tried already.
    ubuntu) releases='resolute questing plucky' component=universe ;;
    *) return 1 ;;
  esac
  make_work_folder
  from_this_release && return 0
  site=$(apt_site "$codename")
  if [ -z "$site" ]; then
    printf 'no apt source of this machine serves %s main\n' "$codename" >"$work/log"
    return 1
  fi
  for release in $releases; do
    if from_release "$release" "$site" "$component"; then return 0; fi
  done
  return 1
}

from_brew() {
  command -v brew >/dev/null || return 1
  brew install --quiet nats-server >/dev/null 2>&1
}

# Why apt could not help, in a few words for the closing line.
apt_reason() {
  [ -n "$work" ] && [ -s "$work/log" ] || return 0
  if grep -qiE 'NO_PUBKEY|not signed|signatures' "$work/log"; then
    printf ' (apt has no key for the newer release: update the archive keyring package)'
  else
    printf ' (apt: %s)' "$(grep -v '^W: Download is performed' "$work/log" | head -n 1)"
  fi
}

install_nats_server() {
  find_nats_server && return 0
  if { from_apt || from_brew; } && find_nats_server; then
    say "nats-server $nats_server_version installed as $nats_server"
    return 0
  fi
  die "install nats-server $NATS_VERSION_MIN or newer and put it on the PATH${nats_too_old:+; $nats_too_old}$(apt_reason)"
}

# --- redis-server, for the peers of `belfry bench fanout` -----------------------------------------------------------

# Sets redis_server and redis_version to the first one that runs; `belfry bench` looks in the same order.
find_redis_server() {
  local candidate
  for candidate in "$(command -v redis-server || true)" "$TOOLS/bin/redis-server"; do
    [ -n "$candidate" ] && [ -x "$candidate" ] || continue
    redis_version=$("$candidate" --version 2>/dev/null | sed -n 's/.* v=\([0-9][0-9.]*\).*/\1/p')
    redis_server=$candidate
    [ -z "$redis_version" ] || return 0
  done
  return 1
}

# The libraries that the package $2 asks for and the system has not; apt-get's own tool is $1 (apt-cache, or ours).
missing_libraries() {
  "$1" depends "$2" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^lib/ { print $2 }' | while read -r library; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$library" 2>/dev/null)" = installed ] || printf '%s\n' "$library"
  done
}

# Downloads redis-server, its program (which Debian keeps in redis-tools) and the missing libraries with the given
# command into $work/redis.
download_redis() {
  rm -rf "$work/redis"
  mkdir -p "$work/redis"
  # shellcheck disable=SC2046
  (cd "$work/redis" && "$@" download redis-server redis-tools $(missing_libraries "$redis_depends" redis-tools)) >"$work/log" 2>&1
}

system_apt() { apt-get -qq -o APT::Sandbox::User="$(id -un)" "$@"; }
private_apt_cache() {
  apt-cache -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
    -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null "$@"
}

# From the lists that the machine has, else from lists of our own of its release.
redis_from_apt() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ -r /etc/os-release ] || return 1
  make_work_folder
  redis_depends=apt-cache
  if ! download_redis system_apt; then
    local site component=main
    read_os_release
    [ "$distribution" != ubuntu ] || component=universe
    site=$(apt_site "$codename")
    [ -n "$site" ] && read_lists "$codename" "$site" "$component" || return 1
    redis_depends=private_apt_cache
    download_redis private_apt || return 1
  fi
  unpack_redis
}

unpack_redis() {
  local package
  rm -rf "$work/root"
  for package in "$work"/redis/*.deb; do dpkg -x "$package" "$work/root"; done
  mkdir -p "$TOOLS/bin" "$TOOLS/usr/bin" "$TOOLS/usr/lib"
  cp -Lf "$work/root/usr/bin/redis-server" "$TOOLS/usr/bin/redis-server"
  find "$work/root" -path '*/lib/*' -name 'lib*.so*' -exec cp -Pf {} "$TOOLS/usr/lib/" \;
  cat >"$work/redis-server" <<'WRAPPER'
#!/bin/sh
# The redis-server that scripts/setup.sh --peers unpacked, with the libraries that it unpacked beside it.
usr=$(cd "$(dirname "$0")/../usr" && pwd)
export LD_LIBRARY_PATH="$usr/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$usr/bin/redis-server" "$@"
WRAPPER
  chmod +x "$work/redis-server"
  mv -f "$work/redis-server" "$TOOLS/bin/redis-server"
}

redis_from_brew() {
  command -v brew >/dev/null || return 1
  brew install --quiet redis >/dev/null 2>&1
}

install_redis_server() {
  find_redis_server && return 0
  if { redis_from_apt || redis_from_brew; } && find_redis_server; then
    say "redis-server $redis_version installed as $redis_server"
    return 0
  fi
  die "install redis-server and put it on the PATH$(apt_reason)"
}

check_node
install_dependencies
install_nats_server
[ "$peers" = no ] || install_redis_server
build
say "ready: Node.js $node_version, nats-server $nats_server_version ($nats_server)${redis_server:+, redis-server $redis_version ($redis_server)}"
