package rpc

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"nubo/internal/rpc/rabbittest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rabbittest.Stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
