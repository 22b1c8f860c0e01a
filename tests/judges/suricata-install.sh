#!/bin/sh
# Puts Suricata 7 of Debian's backports into a folder of its own and prints the
# path of a command that runs it.
#
# It is unpacked rather than installed: its libhyperscan5 conflicts with the
# libvectorscan5 that DPDK's headers bring. The host gets a package source and
# nothing else.
#
# usage: suricata-install.sh [FOLDER]    (default: target/judges/suricata)
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$root/target/judges/suricata}
command=$folder/suricata
if [ -x "$command" ] && "$command" -V >/dev/null 2>&1; then
    echo "$command"
    exit 0
fi

as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
if ! apt-cache policy suricata | grep -q '1:7\.'; then
    mirror=$(apt-cache policy | sed -n 's|.* \(http[^ ]*/debian\)/* bookworm/main .*|\1|p' | head -n 1)
    # The backports of the mirror that this Debian already uses.
    [ -n "$mirror" ] || { echo "$0: no package source for Debian 12 (bookworm) main" >&2; exit 1; }
    echo "deb $mirror bookworm-backports main" |
        $as_root tee /etc/apt/sources.list.d/bookworm-backports.list >/dev/null
    $as_root apt-get update -qq >&2
fi

mkdir -p "$folder/packages" "$folder/root"
cd "$folder/packages"
# Suricata, and of all that it needs what the host lacks: asked of an apt that
# believes that nothing is installed, for the host's own would see the conflict.
own="suricata/bookworm-backports libhtp2/bookworm-backports libhyperscan5"
needed=$(apt-get -o Dir::State::status=/dev/null install --simulate --no-install-recommends $own |
    sed -n 's/^Inst \([^ ]*\) .*/\1/p' | grep -v '^suricata$\|^libhtp2$\|^libhyperscan5$')
for package in $needed; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || own="$own $package"
done
# (As root, apt warns that its own user cannot write here.)
apt-get download -qq $own >&2
for archive in *.deb; do
    dpkg -x "$archive" "$folder/root"
done

libraries=$(find "$folder/root" -name '*.so*' -exec dirname {} \; | sort -u | paste -sd: -)
cat >"$command" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec "$folder/root/usr/bin/suricata" "\$@"
END
chmod +x "$command"
"$command" -V >&2
echo "$command"
