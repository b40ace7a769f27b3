package httpx

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// formats are those that OpenStack's schemas use beside the standard ones.
// A format applies to strings only.
var formats = []jsonschema.Format{
	{Name: "uuid", Validate: onString(func(s string) error { return matching(uuidLike, s, "UUID") })},
	{Name: "cidr", Validate: onString(func(s string) error { _, err := netip.ParsePrefix(s); return err })},
	{Name: "ip", Validate: onString(func(s string) error { _, err := netip.ParseAddr(s); return err })},
	{Name: "mac-address", Validate: onString(func(s string) error { _, err := net.ParseMAC(s); return err })},
	{Name: "base64", Validate: onString(func(s string) error {
		_, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
		return err
	})},
	{Name: "name", Validate: onString(validName)},
}

var uuidLike = regexp.MustCompile(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

// IsUUID reports whether s is a UUID, with or without dashes.
func IsUUID(s string) bool { return uuidLike.MatchString(s) }

func onString(check func(string) error) func(any) error {
	return func(v any) error {
		if s, ok := v.(string); ok {
			return check(s)
		}
		return nil
	}
}

func matching(re *regexp.Regexp, s, what string) error {
	if !re.MatchString(s) {
		return fmt.Errorf("not a %s", what)
	}
	return nil
}

// validName is Nova's rule for names: printable, not blank, no white space
// around it. The empty name is left to minLength, which says more.
func validName(s string) error {
	if s != "" && strings.TrimSpace(s) == "" {
		return fmt.Errorf("blank")
	}
	if strings.TrimSpace(s) != s {
		return fmt.Errorf("leading or trailing spaces")
	}
	for _, c := range s {
		if c < 0x20 || c == 0x7f {
			return fmt.Errorf("control characters")
		}
	}
	return nil
}
