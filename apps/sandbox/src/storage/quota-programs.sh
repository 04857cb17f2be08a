#!/bin/sh
# lfs, setquota, quota, chattr, lsattr and xfs_quota for project quotas, as their man pages describe them. Their state is in the
# folder $STATE. A shell script, because a test starts hundreds of them, and Node takes fifty times as long to start.
#   project/<inode>   "<ID> <P or -> <time of birth>" of a directory, the last only if a program has written it
#   limits/<ID>       soft and hard KiB, soft and hard inodes; "-" if never set (Lustre)
#   used/<ID>         KiB and inodes
#   default           the limits that apply to an ID without its own, for space and for inodes (Lustre)
#   fault             "<glob>|<what>|<text>": for the next command line that matches
#   calls             each command line
# Called as: sh quota-programs.sh <program> <arguments>
set -u
program=$1
shift
line="$program $*"
printf '%s\n' "$line" >>"$STATE/calls"
read -r mount <"$STATE/mount"

fail() {
  printf '%s\n' "$2" >&2
  exit "$1"
}

# Set if the command fails after it has done its work.
after=""
if [ -f "$STATE/fault" ]; then
  IFS='|' read -r glob what text <"$STATE/fault"
  # shellcheck disable=SC2254 # a glob
  case $line in
  $glob)
    rm "$STATE/fault"
    case $what in
    fail) fail 1 "$text" ;;
    eintr) fail 4 "$program failed: Interrupted system call" ;;
    silent) exit 0 ;;
    output) printf '%b\n' "$text" && exit 0 ;;
    # Until the test kills it, or for a minute.
    hang) exec sleep 60 ;;
    flood) exec yes "$text" ;;
    die) kill -9 $$ ;;
    late) after=late ;;
    esac
    ;;
  esac
fi
finish() {
  [ "$after" = late ] && fail 1 "$program failed: Connection timed out"
  exit 0
}

valid_id() {
  [ "$1" -gt 0 ] && [ "$1" -lt 4294967295 ] || fail 22 "$program: invalid project ID '$1': Invalid argument"
}
# These functions set variables, because each $(…) starts another process.
find_project() {
  [ -d "$1" ] || fail 2 "$program: failed to stat $1: No such file or directory"
  found=$(stat -L -c '%i %.9W' "$1") id=0 flag=- known=""
  inode=${found% *} birth=${found#* }
  [ ! -f "$STATE/project/$inode" ] || read -r id flag known <"$STATE/project/$inode"
  # A deleted directory's inode may be used again.
  [ "${known:-$birth}" = "$birth" ] || id=0 flag=-
}
tie() {
  valid_id "$2"
  find_project "$1"
  echo "$2 P $birth" >"$STATE/project/$inode"
}
mounted() {
  [ "$1" = "$mount" ] || fail 22 "$program: invalid mount point '$1': Invalid argument"
}
# Suffixes are powers of 1024; a bare number is in KiB.
number() {
  case $1 in
  *k) echo $((${1%?})) ;;
  *M) echo $((${1%?} * 1024)) ;;
  *G) echo $((${1%?} * 1024 * 1024)) ;;
  *T) echo $((${1%?} * 1024 * 1024 * 1024)) ;;
  *) echo $(($1)) ;;
  esac
}
find_quota() {
  soft=0 hard=0 file_soft=0 file_hard=0 kib=0 files=0
  if [ -f "$STATE/limits/$1" ]; then
    read -r soft hard file_soft file_hard <"$STATE/limits/$1"
    kib=4 files=1
  fi
  [ ! -f "$STATE/used/$1" ] || read -r kib files <"$STATE/used/$1"
}
# On Lustre, "-" is a limit that was never set: the default applies. 0, if it was set, is none.
find_own_limits() {
  soft=- hard=- file_soft=- file_hard=-
  [ ! -f "$STATE/limits/$1" ] || read -r soft hard file_soft file_hard <"$STATE/limits/$1"
}
# A row of the table; a long file system name gets its own line.
row() {
  if [ ${#1} -gt 15 ]; then printf '%s\n%15s' "$1" ""; else printf '%15s' "$1"; fi
  shift
  printf ' %7s %7s %7s %7s %7s %7s %7s %7s\n' "$@"
}

lfs() {
  command=$1
  shift
  case $command in
  project)
    case $1 in
    -d)
      find_project "$2"
      printf '%5u %s %s\n' "$id" "$flag" "$2"
      ;;
    -p) tie "$4" "$2" ;;
    -c)
      find_project "$5"
      [ "$id$flag" = "$4P" ] || echo "$5 - project identifier is not set (inode=0, tree=$4)"
      ;;
    esac
    ;;
  setquota)
    valid_id "$2"
    find_own_limits "$2"
    id=$2
    shift 2
    while [ $# -gt 1 ]; do
      case $1 in
      -b) soft=$(number "$2") ;;
      -B) hard=$(number "$2") ;;
      -i) file_soft=$(number "$2") ;;
      -I) file_hard=$(number "$2") ;;
      *) fail 22 "lfs setquota: unrecognized option '$1'" ;;
      esac
      shift 2
    done
    mounted "$1"
    echo "$soft $hard $file_soft $file_hard" >"$STATE/limits/$id"
    ;;
  quota)
    mounted "$3"
    find_quota "$2"
    find_own_limits "$2"
    echo "Disk quotas for prj $2 (pid $2):"
    d1=0 d2=0 d3=0 d4=0
    [ ! -f "$STATE/default" ] || read -r d1 d2 d3 d4 <"$STATE/default"
    if [ "$soft$hard" = -- ]; then
      soft=$d1 hard=$d2
      [ "$d1$d2" = 00 ] || echo "pid $2 is using default block quota setting"
    fi
    if [ "$file_soft$file_hard" = -- ]; then
      file_soft=$d3 file_hard=$d4
      [ "$d3$d4" = 00 ] || echo "pid $2 is using default file quota setting"
    fi
    printf '%15s %7s %7s %7s %7s %7s %7s %7s %7s\n' Filesystem kbytes quota limit grace files quota limit grace
    [ "$soft" -gt 0 ] && [ "$kib" -gt "$soft" ] && kib="$kib*"
    row "$mount" "$kib" "$soft" "$hard" - "$files" "$file_soft" "$file_hard" -
    ;;
  esac
}

case $program in
lfs) lfs "$@" ;;
chattr) tie "$5" "$2" ;;
lsattr)
  find_project "$4"
  printf '%5s --------------e----%s-- %s\n' "$id" "$flag" "$4"
  ;;
xfs_quota)
  mounted "$4"
  # shellcheck disable=SC2086 # the words of the command
  set -- $3
  tie "$6" "$7"
  ;;
setquota)
  valid_id "$2"
  mounted "$7"
  echo "$3 $4 $5 $6" >"$STATE/limits/$2"
  ;;
quota)
  [ -f "$STATE/off" ] && fail 1 "quota: Cannot find any filesystem with quota support turned on."
  mounted "${5#--filesystem=}"
  find_quota "$6"
  echo "Disk quotas for project #$6 (pid $6): "
  echo "     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace"
  printf '%s %s %s %s 0 %s %s %s 0\n' /dev/loop0 "$kib" "$soft" "$hard" "$files" "$file_soft" "$file_hard"
  ;;
esac
finish
