// Package qemuimg runs qemu-img for the drivers that keep disk images.
//
// Images come from users, so nothing is probed: every call names the format,
// an image is refused that refers to another file, and each child has a limit
// on its memory, since a small image can describe a huge table.
package qemuimg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"nubo/internal/fault"
	"nubo/internal/trace"
)

// The limits of one child: address space in bytes, and for work on what users
// made also seconds of CPU.
const (
	memoryLimit     = 1 << 30
	inspectCPULimit = 30
	convertCPULimit = 3600
)

// Info is what qemu-img knows of an image.
type Info struct {
	Format      string
	VirtualSize int64
	Backing     string // the backing file, "" for none
	DataFile    string // the external data file, "" for none
	Encrypted   bool
}

// Inspect reads an image's header.
func Inspect(ctx context.Context, path, format string) (Info, error) {
	out, err := run(ctx, limits{cpuSeconds: inspectCPULimit}, "info", "--force-share", "--output=json", "-f", format, path)
	if err != nil {
		return Info{}, err
	}
	return parseInfo(out)
}

func parseInfo(out []byte) (Info, error) {
	var raw struct {
		Format      string `json:"format"`
		VirtualSize int64  `json:"virtual-size"`
		Backing     string `json:"backing-filename"`
		Encrypted   bool   `json:"encrypted"`
		Specific    struct {
			Data struct {
				DataFile string `json:"data-file"`
			} `json:"data"`
		} `json:"format-specific"`
	}
	if err := json.Unmarshal(out, &raw); err != nil {
		return Info{}, fmt.Errorf("read the answer of qemu-img info: %w", err)
	}
	return Info{Format: raw.Format, VirtualSize: raw.VirtualSize, Backing: raw.Backing,
		DataFile: raw.Specific.Data.DataFile, Encrypted: raw.Encrypted}, nil
}

// InspectUntrusted is Inspect of an image that a user made: it is refused
// unless it stands alone.
func InspectUntrusted(ctx context.Context, path, format string) (Info, error) {
	if format != "raw" && format != "qcow2" {
		return Info{}, fault.Invalidf("Image is unacceptable: disk format %q is not supported; use qcow2 or raw.", format)
	}
	info, err := Inspect(ctx, path, format)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return Info{}, fault.Invalidf("Image is unacceptable: qemu-img does not read it as %s.", format).WithCause(err)
	case err != nil:
		return Info{}, err
	case info.Backing != "":
		return Info{}, fault.Invalidf("Image is unacceptable: it has a backing file.")
	case info.DataFile != "":
		return Info{}, fault.Invalidf("Image is unacceptable: it has an external data file.")
	case info.Encrypted:
		return Info{}, fault.Invalidf("Image is unacceptable: it is encrypted.")
	}
	return info, nil
}

// Create makes an empty image of size bytes.
func Create(ctx context.Context, path, format string, size int64) error {
	_, err := run(ctx, limits{}, "create", "-q", "-f", format, path, strconv.FormatInt(size, 10))
	return err
}

// CreateOverlay makes a qcow2 image of size bytes on top of base.
func CreateOverlay(ctx context.Context, path, base, baseFormat string, size int64) error {
	_, err := run(ctx, limits{}, "create", "-q", "-f", "qcow2", "-F", baseFormat, "-b", base, path, strconv.FormatInt(size, 10))
	return err
}

// Convert copies an image into a new one of another format. src may be a file
// or an nbd+unix URI.
func Convert(ctx context.Context, src, srcFormat, dst, dstFormat string) error {
	_, err := run(ctx, limits{}, "convert", "-q", "-f", srcFormat, "-O", dstFormat, src, dst)
	return err
}

// ConvertUntrusted is Convert of an image that a user made, and that has been
// found to stand alone: the child has no network, and no more processor time
// and file size than an honest image needs. dst is made as large as maxSize at
// most.
func ConvertUntrusted(ctx context.Context, src, srcFormat, dst, dstFormat string, maxSize int64) error {
	info, err := run(ctx, limits{cpuSeconds: inspectCPULimit, alone: true}, "info", "--output=json", "-f", srcFormat, src)
	if err != nil {
		return err
	}
	found, err := parseInfo(info)
	switch {
	case err != nil:
		return err
	case found.Backing != "" || found.DataFile != "" || found.Encrypted:
		return fault.Invalidf("Image is unacceptable: it does not stand alone.")
	case found.VirtualSize > maxSize:
		return fault.Invalidf("Image is unacceptable: its disk of %d bytes is over %d.", found.VirtualSize, maxSize)
	}
	_, err = run(ctx, limits{cpuSeconds: convertCPULimit, fileSize: maxSize, alone: true}, "convert", "-q", "-f", srcFormat, "-O", dstFormat, src, dst)
	return err
}

// Resize grows an image to size bytes.
func Resize(ctx context.Context, path, format string, size int64) error {
	_, err := run(ctx, limits{}, "resize", "-q", "-f", format, path, strconv.FormatInt(size, 10))
	return err
}

// limits are those of one child; 0 means none.
type limits struct {
	cpuSeconds int
	fileSize   int64
	alone      bool // in a network of its own, in which there is nothing
}

func run(ctx context.Context, l limits, args ...string) ([]byte, error) {
	flags := []string{"--as=" + strconv.Itoa(memoryLimit)}
	if l.cpuSeconds > 0 {
		flags = append(flags, "--cpu="+strconv.Itoa(l.cpuSeconds))
	}
	if l.fileSize > 0 {
		flags = append(flags, "--fsize="+strconv.FormatInt(l.fileSize, 10), "--core=0")
	}
	cmd := exec.CommandContext(ctx, "prlimit", append(append(flags, "--", "qemu-img"), args...)...)
	if l.alone {
		isolate(cmd)
	}
	cmd.Env = []string{"LC_ALL=C", "PATH=" + searchPath}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begun := time.Now()
	err := cmd.Run()
	trace.Note(ctx, trace.Native, "qemu-img "+args[0], begun, err)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("qemu-img %s: %w: %s", args[0], err, lastLine(stderr.String()))
	}
	return stdout.Bytes(), nil
}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
