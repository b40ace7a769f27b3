package app

import (
	"path/filepath"
	"strings"
	"testing"

	"nubo/internal/testx"
)

// TestServiceKeys rotates the components' passwords.
func TestServiceKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out, errs strings.Builder
	testx.Equal(t, Main([]string{"nubo", "keys", "services", "--data-dir", dir}, &out, &errs), exitFailed) // no cloud yet
	path := filepath.Join(dir, "secrets.json")
	before, _, err := ensureSecrets(path, "")
	testx.NoErr(t, err)
	testx.Equal(t, Main([]string{"nubo", "keys", "services", "--data-dir", dir}, &out, &errs), exitDone)
	after, err := readSecrets(path)
	testx.NoErr(t, err)
	for name, secret := range before.ServiceUsers {
		if after.ServiceUsers[name] == secret || after.ServiceUsers[name] == "" {
			t.Errorf("%s has the password of before, or none", name)
		}
		if strings.Contains(out.String(), after.ServiceUsers[name]) {
			t.Errorf("the password of %s is printed", name)
		}
	}
	testx.Equal(t, after.AdminPassword, before.AdminPassword)
	testx.Equal(t, after.Messaging, before.Messaging)
}
