package dbtest

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clusterScript makes a cluster in $1 with the programs in $2 and serves it
// on a Unix socket there. It ends the server and removes the directory when
// its standard input closes, which the kernel does for it however the test
// binary ends. PostgreSQL refuses to run as root.
const clusterScript = `
dir=$1 bin=$2
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
	chown postgres "$dir"
	as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
fi
cd "$dir"
as "$bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync -E UTF8 --locale=C || exit
as "$bin/postgres" -D "$dir/data" -k "$dir" -h "" -F -c max_connections=500 -c shared_buffers=32MB <&- &
read -r _
kill -INT "$(head -n 1 data/postmaster.pid)"
wait
rm -rf "$dir"
`

func startCluster() (string, error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(bins) == 0 {
		return "", errors.New("no /usr/lib/postgresql/*/bin/initdb: install the package postgresql")
	}
	dir, err := os.MkdirTemp("", "nubo-pg-")
	if err != nil {
		return "", err
	}
	logPath := filepath.Join(dir, "log")
	log, err := os.Create(logPath)
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := exec.Command("sh", "-c", clusterScript, "sh", dir, filepath.Dir(bins[len(bins)-1]))
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	socket := filepath.Join(dir, ".s.PGSQL.5432")
	ready := func() bool {
		// The socket is there a little before the server takes connections.
		text, _ := os.ReadFile(logPath)
		_, err := os.Stat(socket)
		return err == nil && strings.Contains(string(text), "ready to accept connections")
	}
	for deadline := time.Now().Add(time.Minute); !ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(logPath)
			stdin.Close()
			os.RemoveAll(dir)
			return "", fmt.Errorf("the server does not come up:\n%s", text)
		}
	}
	// stdin stays open, and the cluster up, until this process ends.
	keepOpen = stdin
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}}.Encode()}
	return u.String(), nil
}

// keepOpen holds the pipe against the garbage collector, which would close it.
var keepOpen any //nolint:unused // being referred to is its use
