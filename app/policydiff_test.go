package app

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"nubo/internal/testx"
)

func TestPolicyDiff(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	diff := func() string {
		var out, errs bytes.Buffer
		if code := Main([]string{"nubo", "policy", "diff", "--data-dir", dir, "placement"}, &out, &errs); code != exitDone {
			t.Fatalf("exit code %d: %s", code, &errs)
		}
		return out.String()
	}
	testx.Equal(t, diff(), "")
	testx.NoErr(t, os.MkdirAll(filepath.Join(dir, "policy.d"), 0o700))
	testx.NoErr(t, os.WriteFile(filepath.Join(dir, "policy.d", "placement.yaml"), []byte(`"placement:traits:list": "role:reader"`), 0o600))
	testx.Equal(t, diff(), "placement:traits:list\n- rule:admin_or_service_api\n+ role:reader\n")
}
