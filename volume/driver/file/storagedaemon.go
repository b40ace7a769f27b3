package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nubo/internal/detached"
)

// storageDaemon is one qemu-storage-daemon: an NBD server and the monitor
// that tells it what to serve. Its owner's mutex serializes its methods.
type storageDaemon struct {
	proc    detached.Daemon
	monitor string
	socket  string // the NBD server's, "" on TCP
}

// startLimit is how long a daemon may take until its monitor answers.
const startLimit = 15 * time.Second

func newStorageDaemon(stateDir, name string, address map[string]any) *storageDaemon {
	s := &storageDaemon{monitor: filepath.Join(stateDir, "qmp-"+name+".sock")}
	server := "addr.type=" + fmt.Sprint(address["type"])
	if path, ok := address["path"]; ok {
		s.socket = fmt.Sprint(path)
		server += ",addr.path=" + escape(s.socket)
	} else {
		server += ",addr.host=" + escape(fmt.Sprint(address["host"])) + ",addr.port=" + fmt.Sprint(address["port"])
	}
	s.proc = detached.Daemon{
		PIDFile: filepath.Join(stateDir, "qemu-storage-daemon-"+name+".pid"),
		LogFile: filepath.Join(stateDir, "qemu-storage-daemon-"+name+".log"),
		Args: []string{"qemu-storage-daemon",
			"--chardev", "socket,id=monitor,server=on,wait=off,path=" + escape(s.monitor),
			"--monitor", "chardev=monitor",
			"--nbd-server", server + ",max-connections=0"},
	}
	return s
}

// escape makes a value fit for QEMU's option syntax.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

func (s *storageDaemon) running() bool { return s.proc.PID() != 0 }

// start starts the daemon and waits until its monitor answers.
func (s *storageDaemon) start(ctx context.Context) error {
	for _, socket := range []string{s.monitor, s.socket} {
		if socket == "" {
			continue
		}
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if _, err := s.proc.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		err := s.talk(ctx, func(*qmp) error { return nil })
		if err == nil {
			return s.openSocket()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("qemu-storage-daemon does not come up (see %s): %w", s.proc.LogFile, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// guestGroup is the group of distributions' QEMU processes. Where it exists,
// its members may connect to this host's exports; else only nubo's own user.
const guestGroup = "libvirt-qemu"

// openSocket lets guests connect.
func (s *storageDaemon) openSocket() error {
	if s.socket == "" {
		return nil
	}
	if group, err := user.LookupGroup(guestGroup); err == nil && os.Geteuid() == 0 {
		gid, err := strconv.Atoi(group.Gid)
		if err != nil {
			return err
		}
		if err := os.Chown(s.socket, 0, gid); err != nil {
			return err
		}
	}
	return os.Chmod(s.socket, 0o660)
}

func (s *storageDaemon) stop(ctx context.Context) error {
	if err := s.proc.Stop(ctx); err != nil {
		return fmt.Errorf("stop qemu-storage-daemon: %w", err)
	}
	for _, socket := range []string{s.monitor, s.socket} {
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) && socket != "" {
			return err
		}
	}
	return nil
}

// talk holds one conversation with the monitor.
func (s *storageDaemon) talk(ctx context.Context, say func(*qmp) error) error {
	q, err := dialQMP(ctx, s.monitor)
	if err != nil {
		return fmt.Errorf("talk to qemu-storage-daemon: %w", err)
	}
	defer q.close()
	return say(q)
}

// nodeName is the block node of a volume. QEMU allows 31 characters, fewer
// than a UUID has.
func nodeName(kind, id string) string {
	sum := sha256.Sum256([]byte(id))
	return kind + hex.EncodeToString(sum[:15])
}

// serve exports a volume unless it is exported.
func serve(q *qmp, path string, rec exportRecord) error {
	node := nodeName("v", rec.VolumeID)
	exported, err := exportIDs(q)
	if err != nil || slices.Contains(exported, node) {
		return err
	}
	if err := addNode(q, node, path, rec.ReadOnly); err != nil {
		return err
	}
	return q.execute("block-export-add", map[string]any{
		"type": "nbd", "id": node, "node-name": node, "name": rec.VolumeID, "writable": !rec.ReadOnly}, nil)
}

// withdraw ends a volume's export and closes its file.
func withdraw(ctx context.Context, q *qmp, id string) error {
	node := nodeName("v", id)
	exported, err := exportIDs(q)
	if err != nil {
		return err
	}
	if slices.Contains(exported, node) {
		if err := q.execute("block-export-del", map[string]any{"id": node, "mode": "hard"}, nil); err != nil {
			return err
		}
	}
	// The export ends when its last client is gone; only then the node is free.
	for slices.Contains(exported, node) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if exported, err = exportIDs(q); err != nil {
			return err
		}
	}
	return deleteNode(q, node)
}

func exportIDs(q *qmp) ([]string, error) {
	var exports []struct {
		ID string `json:"id"`
	}
	if err := q.execute("query-block-exports", nil, &exports); err != nil {
		return nil, err
	}
	ids := make([]string, len(exports))
	for i, e := range exports {
		ids[i] = e.ID
	}
	return ids, nil
}

func hasNode(q *qmp, name string) (bool, error) {
	var nodes []struct {
		Name string `json:"node-name"`
	}
	if err := q.execute("query-named-block-nodes", map[string]any{"flat": true}, &nodes); err != nil {
		return false, err
	}
	for _, n := range nodes {
		if n.Name == name {
			return true, nil
		}
	}
	return false, nil
}

func addNode(q *qmp, name, path string, readOnly bool) error {
	if err := deleteNode(q, name); err != nil {
		return err
	}
	return q.execute("blockdev-add", map[string]any{
		"driver": "qcow2", "node-name": name, "read-only": readOnly, "discard": "unmap",
		"file": map[string]any{"driver": "file", "filename": path, "discard": "unmap", "read-only": readOnly}}, nil)
}

func deleteNode(q *qmp, name string) error {
	if there, err := hasNode(q, name); err != nil || !there {
		return err
	}
	return q.execute("blockdev-del", map[string]any{"node-name": name}, nil)
}

// job is a long operation of the daemon.
type job struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

// findJob gives the job, or nil.
func findJob(q *qmp, id string) (*job, error) {
	var jobs []job
	if err := q.execute("query-jobs", nil, &jobs); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		if j.ID == id {
			return &j, nil
		}
	}
	return nil, nil
}

// backup starts to copy a volume, as it is now, to the qcow2 file at path.
func backup(q *qmp, sourceID, targetID, path string) error {
	target := nodeName("c", targetID)
	if err := addNode(q, target, path, false); err != nil {
		return err
	}
	return q.execute("blockdev-backup", map[string]any{
		"job-id": target, "device": nodeName("v", sourceID), "target": target,
		"sync": "full", "auto-dismiss": false}, nil)
}

// endBackup forgets a copy that is over, or calls off one that is not, and
// closes its file. It reports false while the job still lives.
func endBackup(q *qmp, targetID string) (bool, error) {
	target := nodeName("c", targetID)
	j, err := findJob(q, target)
	switch {
	case err != nil:
		return false, err
	case j == nil:
		return true, deleteNode(q, target)
	case j.Status == "concluded":
		if err := q.execute("job-dismiss", map[string]any{"id": target}, nil); err != nil {
			return false, err
		}
		return true, deleteNode(q, target)
	default:
		return false, q.execute("block-job-cancel", map[string]any{"device": target, "force": true}, nil)
	}
}

// exportRecord is what is written down of an export.
type exportRecord struct {
	VolumeID string `json:"volume_id"`
	Host     string `json:"host"`
	ReadOnly bool   `json:"read_only"`
}

func readRecord(path string) (*exportRecord, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rec exportRecord
	if err := json.Unmarshal(text, &rec); err != nil {
		return nil, fmt.Errorf("read the export record %s: %w", path, err)
	}
	return &rec, nil
}
