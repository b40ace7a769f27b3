package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. It is written with a unit: "10GiB", "512MiB",
// "5GB"; KiB, MiB, GiB and TiB are powers of 1024 and so are the bare letters,
// kB, MB, GB and TB powers of 1000. A bare number counts bytes.
type Size int64

// sizeUnits are the units, in lower case, with the binary ones that String
// uses first and largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"T", 1 << 40},
	{"G", 1 << 30},
	{"M", 1 << 20},
	{"K", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
	{"", 1},
}

// ParseSize reads a size. Units are accepted in any case.
func ParseSize(s string) (Size, error) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(s[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("want a size such as 10GiB")
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, unit) {
			if n > math.MaxInt64/u.bytes {
				return 0, fmt.Errorf("the size is too large")
			}
			return Size(n * u.bytes), nil
		}
	}
	return 0, fmt.Errorf("there is no unit %q; want a size such as 10GiB", unit)
}

// String writes the size with the largest binary unit that loses nothing.
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
